import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import type { NewRun } from '../model/commands.ts';
import type { JsonObject } from '../model/payload.ts';
import type { RunFilter } from '../store/contract.ts';

/**
 * A JSON Schema (drafts 2020-12, 2019-09 and 07, told apart by `$schema`; 2020-12 without one), or any
 * Standard Schema: a schema of zod, valibot, arktype and others.
 */
export type DefinitionSchema = JsonObject | StandardSchemaV1 | StandardJSONSchemaV1;

export interface Schemas {
  readonly input?: DefinitionSchema | undefined;
  readonly output?: DefinitionSchema | undefined;
}

export interface PublishOptions extends Schemas {
  /**
   * `agent`, `template`, `tool`, `workflow` or a word of your own; the same for every version. Default:
   * that of the versions before, else the `kind` of the manifest, else `workflow`.
   */
  readonly kind?: string | undefined;
  /** Tags that point at this version from now on. `latest` needs no saying. */
  readonly tags?: readonly string[] | undefined;
}

/** What is kept of a schema. A Standard Schema is code: of it stays who made it, and its JSON Schema. */
export interface KeptSchema {
  readonly jsonSchema: JsonObject | null;
  /** Of a Standard Schema; null for a JSON Schema. */
  readonly vendor: string | null;
}

/** What a version says for good: all that its checksum covers. Frozen. */
export interface DefinitionContent {
  readonly name: string;
  readonly version: string;
  readonly kind: string;
  readonly manifest: JsonObject;
  readonly input: KeptSchema | null;
  readonly output: KeptSchema | null;
}

/** A version, and what became of it. */
export interface VersionSummary {
  readonly version: string;
  /** `sha256:` and 64 hexadecimal digits: that of the content as canonical JSON (RFC 8785). */
  readonly checksum: string;
  readonly publishedAt: Date;
  /** The tags that point at it now, sorted. */
  readonly tags: readonly string[];
  /** Why it should not be used any more. */
  readonly deprecated: string | null;
  /** Why no range finds it any more. */
  readonly yanked: string | null;
}

/** A version of a definition, read and compared with its checksum. */
export interface Definition extends DefinitionContent, VersionSummary {
  /** `name@version#checksum`: what a run is pinned to, and `resolve` takes again. */
  readonly ref: string;
  /** That it is deprecated or yanked, in words. */
  readonly warnings: readonly string[];
}

export interface DefinitionSummary {
  readonly name: string;
  readonly kind: string;
  /** Which version each tag points at. */
  readonly tags: Readonly<Record<string, string>>;
  readonly versionCount: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface DefinitionOverview extends DefinitionSummary {
  /** Highest first. */
  readonly versions: readonly VersionSummary[];
}

export interface DefinitionListOptions {
  readonly kind?: string | undefined;
  /** 1 to 1,000, default 50. */
  readonly limit?: number | undefined;
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
}

export const HISTORY_ACTIONS = [
  'published',
  'tagged',
  'untagged',
  'rolled-back',
  'deprecated',
  'yanked',
] as const;
export type HistoryAction = (typeof HISTORY_ACTIONS)[number];

/** One thing that was done to a definition. */
export interface HistoryEntry {
  /** 1, 2, 3… inside of the definition. */
  readonly seq: number;
  readonly at: Date;
  readonly action: HistoryAction;
  /** The version that it was about; with a tag, the one that it points at since. */
  readonly version: string | null;
  readonly tag: string | null;
  /** With a tag: the version that it pointed at before. */
  readonly from: string | null;
  /** Why it was deprecated or yanked; null for one that is not any more. */
  readonly reason: string | null;
}

/** What `createRun` passes on to the run. */
export type DefinedRunOptions = Omit<NewRun, 'workflow' | 'definition' | 'input'>;

export type UsageFilter = Pick<
  RunFilter,
  | 'status'
  | 'project'
  | 'tags'
  | 'parentRunId'
  | 'createdAfter'
  | 'createdBefore'
  | 'endedAfter'
  | 'endedBefore'
>;

export interface UsageCount {
  /** Runs that are pinned to it. */
  readonly runs: number;
  /** Those of them that have not ended. */
  readonly active: number;
  /** When the newest of them was created. */
  readonly lastRunAt: Date | null;
}

export interface VersionUsage extends UsageCount {
  readonly version: string;
}

export interface Usage extends UsageCount {
  readonly name: string;
  /** Every version that was asked for, highest first, also one without a run. */
  readonly versions: readonly VersionUsage[];
}
