import { StoreError } from '../errors.ts';
import { invalid } from '../model/check.ts';
import { type Catalog, requireVersion } from './catalog.ts';
import { isTag, LATEST } from './names.ts';
import type { Semver } from './semver.ts';

/**
 * The version that a selector means: a version in full, a tag, or a range; without one, `latest`. A
 * range finds the highest version in it that is not yanked, and a prerelease only where the range
 * names one of the same version, as npm does.
 */
export function selectVersion(semver: Semver, catalog: Catalog, selector: string = LATEST): string {
  const exact = semver.valid(selector);
  if (exact !== null) {
    requireVersion(catalog, exact);
    return exact;
  }
  const range = semver.validRange(selector);
  if (range === null) return ofTag(catalog, selector);
  const left = [...catalog.versions].filter(([, { yanked }]) => yanked === null);
  const found = semver.maxSatisfying(
    left.map(([version]) => version),
    range,
  );
  if (found !== null) return found;
  throw notFound(catalog, `no version in ${selector} that is not yanked`);
}

/** All versions that are meant, yanked ones and prereleases too; without a selector, every one. */
export function matchingVersions(
  semver: Semver,
  catalog: Catalog,
  selector: string | undefined,
): readonly string[] {
  const all = [...catalog.versions.keys()].toSorted(semver.rcompare);
  if (selector === undefined) return all;
  const range = semver.valid(selector) === null ? semver.validRange(selector) : null;
  if (range === null) return [selectVersion(semver, catalog, selector)];
  return all.filter((version) => semver.satisfies(version, range, { includePrerelease: true }));
}

function ofTag(catalog: Catalog, tag: string): string {
  if (!isTag(tag)) throw invalid('ref', `has ${tag}, which is no version, range or tag`);
  const target = catalog.tags.get(tag);
  if (target !== undefined) return target.version;
  if (tag === LATEST) throw notFound(catalog, 'no version that is not yanked');
  throw notFound(catalog, `no tag ${tag}`);
}

function notFound({ name }: Catalog, what: string): StoreError {
  return new StoreError('NOT_FOUND', `${name} has ${what}`, { id: name });
}

export function warningsOf(catalog: Catalog, version: string): readonly string[] {
  const { deprecated, yanked } = requireVersion(catalog, version);
  const named = `${catalog.name}@${version}`;
  return [
    ...(yanked === null ? [] : [`${named} is yanked: ${yanked}`]),
    ...(deprecated === null ? [] : [`${named} is deprecated: ${deprecated}`]),
  ];
}
