import { StoreError } from '../errors.ts';
import { invalid } from '../model/check.ts';
import { type Catalog, type PublishedVersion, requireVersion, type TagTarget } from './catalog.ts';
import type { HistoryEntry } from './definition.ts';
import { REGISTRY_LIMITS } from './limits.ts';
import { LATEST } from './names.ts';
import type { Semver } from './semver.ts';

/** What is appended to the history; what is not given is null there. */
export type HistoryRecord = Pick<HistoryEntry, 'action'> &
  Partial<Pick<HistoryEntry, 'version' | 'tag' | 'from' | 'reason'>>;

/** A definition as it is to be, and what is to be told of it. Without records nothing has changed. */
export interface Changed {
  readonly catalog: Catalog;
  readonly records: readonly HistoryRecord[];
}

/** Pure: what becomes of a definition. A version that is there already is not asked for here. */
export function published(
  semver: Semver,
  catalog: Catalog,
  version: string,
  content: Pick<PublishedVersion, 'checksum' | 'artifact' | 'publishedAt'>,
  tags: readonly string[],
): Changed {
  const fresh = { ...content, deprecated: null, yanked: null };
  const versions = new Map(catalog.versions).set(version, fresh);
  checkCount(catalog, 'versions', versions.size, REGISTRY_LIMITS.versionsMax);
  const first: Changed = {
    catalog: { ...catalog, versions },
    records: [{ action: 'published', version }],
  };
  const moved = becomesLatest(semver, catalog, version) ? [LATEST, ...tags] : tags;
  return moved.reduce((changed, tag) => after(changed, (now) => tagged(now, tag, version)), first);
}

/**
 * `latest` follows the highest version: a fix of an older line does not take it, and neither does a
 * prerelease while there is something stable.
 */
function becomesLatest(semver: Semver, { tags }: Catalog, version: string): boolean {
  const latest = tags.get(LATEST)?.version;
  if (latest === undefined) return true;
  const [isBefore, wasBefore] = [version, latest].map((one) => semver.prerelease(one) !== null);
  return isBefore === wasBefore ? semver.gt(version, latest) : wasBefore === true;
}

export function tagged(catalog: Catalog, tag: string, version: string): Changed {
  const { yanked } = requireVersion(catalog, version);
  if (yanked !== null) {
    throw invalid('version', `is yanked, and takes no tag: ${catalog.name}@${version}`);
  }
  const target = catalog.tags.get(tag);
  if (target?.version === version) return { catalog, records: [] };
  const before = target === undefined ? [] : [...target.before, target.version];
  const kept = before.slice(-REGISTRY_LIMITS.rollbacksMax);
  const changed = withTag(catalog, tag, { version, before: kept });
  checkCount(catalog, 'tags', changed.tags.size, REGISTRY_LIMITS.tagsMax);
  const from = target?.version ?? null;
  return { catalog: changed, records: [{ action: 'tagged', tag, version, from }] };
}

export function untagged(catalog: Catalog, tag: string): Changed {
  const { version: from } = requireTag(catalog, tag);
  return {
    catalog: withTag(catalog, tag, undefined),
    records: [{ action: 'untagged', tag, from }],
  };
}

/** Back to what the tag pointed at before, past versions that have been yanked since. */
export function rolledBack(catalog: Catalog, tag: string): Changed {
  const target = requireTag(catalog, tag);
  const left = target.before.filter(
    (one) => one !== target.version && catalog.versions.get(one)?.yanked === null,
  );
  const version = left.at(-1);
  if (version === undefined) {
    const message = `${catalog.name}@${tag} has no earlier version to go back to`;
    throw new StoreError('NOT_FOUND', message, { id: catalog.name });
  }
  const from = target.version;
  return {
    catalog: withTag(catalog, tag, { version, before: left.slice(0, -1) }),
    records: [{ action: 'rolled-back', tag, version, from }],
  };
}

export function deprecated(catalog: Catalog, version: string, reason: string | null): Changed {
  return marked(catalog, version, { deprecated: reason }, { action: 'deprecated', reason });
}

/** Own tags stay where they are: they name a version, and whoever put them there decides. */
export function yanked(
  semver: Semver,
  catalog: Catalog,
  version: string,
  reason: string | null,
): Changed {
  const changed = marked(catalog, version, { yanked: reason }, { action: 'yanked', reason });
  if (reason === null || catalog.tags.get(LATEST)?.version !== version) return changed;
  return after(changed, (now) => {
    const best = highest(semver, now);
    return best === undefined ? untagged(now, LATEST) : tagged(now, LATEST, best);
  });
}

function marked(
  catalog: Catalog,
  version: string,
  mark: Partial<PublishedVersion>,
  record: HistoryRecord,
): Changed {
  const before = requireVersion(catalog, version);
  const marks = { ...before, ...mark };
  if (before.deprecated === marks.deprecated && before.yanked === marks.yanked) {
    return { catalog, records: [] };
  }
  const versions = new Map(catalog.versions).set(version, marks);
  return { catalog: { ...catalog, versions }, records: [{ ...record, version }] };
}

/** The highest stable version that is not yanked; where none is stable, the highest prerelease. */
function highest(semver: Semver, { versions }: Catalog): string | undefined {
  const left = [...versions].filter(([, one]) => one.yanked === null).map(([version]) => version);
  const stable = left.filter((version) => semver.prerelease(version) === null);
  return (stable.length > 0 ? stable : left).toSorted(semver.rcompare)[0];
}

function after({ catalog, records }: Changed, next: (catalog: Catalog) => Changed): Changed {
  const changed = next(catalog);
  return { catalog: changed.catalog, records: [...records, ...changed.records] };
}

function withTag(catalog: Catalog, tag: string, target: TagTarget | undefined): Catalog {
  const tags = new Map(catalog.tags);
  if (target === undefined) tags.delete(tag);
  else tags.set(tag, target);
  return { ...catalog, tags };
}

function requireTag(catalog: Catalog, tag: string): TagTarget {
  const target = catalog.tags.get(tag);
  if (target !== undefined) return target;
  throw new StoreError('NOT_FOUND', `${catalog.name} has no tag ${tag}`, { id: catalog.name });
}

function checkCount({ name }: Catalog, what: string, count: number, max: number): void {
  if (count <= max) return;
  throw new StoreError('LIMIT_EXCEEDED', `${name} has ${max} ${what}, and takes no more`, {
    id: name,
  });
}
