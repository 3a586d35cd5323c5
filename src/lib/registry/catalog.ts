import { StoreError } from '../errors.ts';
import type { Run } from '../model/entities.ts';
import type { JsonObject } from '../model/payload.ts';
import type { DefinitionOverview, DefinitionSummary, VersionSummary } from './definition.ts';
import { nameOfRun, REGISTRY_WORKFLOW } from './names.ts';
import type { Semver } from './semver.ts';

export interface PublishedVersion {
  readonly checksum: string;
  /** Which version of the artifact of this name holds the content. */
  readonly artifact: number;
  /** ISO 8601. */
  readonly publishedAt: string;
  readonly deprecated: string | null;
  readonly yanked: string | null;
}

export interface TagTarget {
  readonly version: string;
  /** What it pointed at before, the newest last. */
  readonly before: readonly string[];
}

/**
 * All that is known of a definition besides the contents of its versions: the metadata of its run. So
 * one read sees versions, tags and yanks of one moment.
 */
export interface Catalog {
  readonly name: string;
  readonly kind: string;
  readonly versions: ReadonlyMap<string, PublishedVersion>;
  readonly tags: ReadonlyMap<string, TagTarget>;
}

const FORMAT = 1;

export function emptyCatalog(name: string, kind: string): Catalog {
  return { name, kind, versions: new Map(), tags: new Map() };
}

export function toMetadata({ kind, versions, tags }: Catalog): JsonObject {
  return {
    format: FORMAT,
    kind,
    tags: Object.fromEntries(
      [...tags].map(([tag, { version, before }]) => [tag, { version, before }]),
    ),
    versions: Object.fromEntries(
      [...versions].map(([version, { deprecated, yanked, ...fixed }]) => [
        version,
        // Most are neither, and there may be thousands.
        { ...fixed, deprecated: deprecated ?? undefined, yanked: yanked ?? undefined },
      ]),
    ),
  };
}

interface Metadata {
  readonly format: number;
  readonly kind: string;
  readonly tags: Readonly<Record<string, TagTarget>>;
  readonly versions: Readonly<
    Record<
      string,
      Omit<PublishedVersion, 'deprecated' | 'yanked'> & {
        readonly deprecated?: string;
        readonly yanked?: string;
      }
    >
  >;
}

/** `DATA_CORRUPT` for what something else has written, `UNSUPPORTED_FORMAT` for what a newer Holdfast has. */
export function catalogOf(run: Run): Catalog {
  const name = nameOfRun(run.id);
  const metadata = run.metadata as unknown as Metadata;
  if (typeof metadata.format === 'number' && metadata.format > FORMAT) {
    const message = `the definition ${name} has format ${metadata.format}, and ${FORMAT} is known`;
    throw new StoreError('UNSUPPORTED_FORMAT', message, { id: run.id });
  }
  if (name === undefined || run.workflow !== REGISTRY_WORKFLOW || !isMetadata(metadata)) {
    const message = `the metadata of run ${run.id} is not that of a definition`;
    throw new StoreError('DATA_CORRUPT', message, { id: run.id });
  }
  const versions = Object.entries(metadata.versions).map(
    ([version, { deprecated = null, yanked = null, ...fixed }]) =>
      [version, { ...fixed, deprecated, yanked }] as const,
  );
  return {
    name,
    kind: metadata.kind,
    versions: new Map(versions),
    tags: new Map(Object.entries(metadata.tags)),
  };
}

function isMetadata({ format, kind, tags, versions }: Metadata): boolean {
  if (format !== FORMAT || typeof kind !== 'string' || !isObject(tags)) return false;
  if (!isObject(versions)) return false;
  const isVersion = (one: unknown) => isObject(one) && typeof one['checksum'] === 'string';
  const isKnown = (one: unknown) => typeof one === 'string' && Object.hasOwn(versions, one);
  const isTarget = (one: unknown) => isObject(one) && isKnown(one['version']);
  return Object.values(versions).every(isVersion) && Object.values(tags).every(isTarget);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function summaryOf(run: Run): DefinitionSummary {
  const { name, kind, tags, versions } = catalogOf(run);
  return {
    name,
    kind,
    tags: Object.fromEntries([...tags].map(([tag, { version }]) => [tag, version])),
    versionCount: versions.size,
    createdAt: run.createdAt,
    updatedAt: run.updatedAt,
  };
}

export function overviewOf(run: Run, semver: Semver): DefinitionOverview {
  const catalog = catalogOf(run);
  const versions = [...catalog.versions.keys()].toSorted(semver.rcompare);
  return {
    ...summaryOf(run),
    versions: versions.map((version) => versionSummary(catalog, version)),
  };
}

/** Of a version that is there. */
export function versionSummary(catalog: Catalog, version: string): VersionSummary {
  const { checksum, publishedAt, deprecated, yanked } = requireVersion(catalog, version);
  const tags = [...catalog.tags].filter(([, target]) => target.version === version);
  return {
    version,
    checksum,
    publishedAt: new Date(publishedAt),
    tags: tags.map(([tag]) => tag).toSorted(),
    deprecated,
    yanked,
  };
}

export function requireVersion(catalog: Catalog, version: string): PublishedVersion {
  const published = catalog.versions.get(version);
  if (published !== undefined) return published;
  throw new StoreError('NOT_FOUND', `${catalog.name} has no version ${version}`, {
    id: catalog.name,
  });
}
