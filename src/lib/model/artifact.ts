import { StoreError } from '../errors.ts';
import { checkFacts } from './artifactFacts.ts';
import { checkAliases, checkFields, checkParents, LATEST } from './artifactFields.ts';
import type { Change } from './change.ts';
import { checkGiven, checkId, checkInteger, checkName, invalid } from './check.ts';
import type { ArtifactPatch, NewArtifact, WriteOptions } from './commands.ts';
import { checkIfVersion, type Context, type Decision, requireRun } from './decision.ts';
import type { ArtifactRow } from './entities.ts';
import { refuseHeld } from './hold.ts';
import { samePayload } from './payload.ts';
import { optional } from './run.ts';
import type { RunState } from './runState.ts';
import { EMPTY_ARTIFACT } from './represent.ts';

/** Bytes that are already durable. */
export interface StoredBlob {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

/** Which version: by its number, by a name that points at it, or the newest that is not deleted. */
export interface VersionRef {
  readonly name: string;
  readonly version?: number | undefined;
  readonly alias?: string | undefined;
}

const NEW_ARTIFACT: ReadonlySet<string> = new Set([
  'name',
  'stepId',
  'mediaType',
  'tags',
  'metadata',
  'aliases',
  'parents',
  'ttl',
  'body',
]);

const PATCH: ReadonlySet<string> = new Set<keyof ArtifactPatch>([
  'mediaType',
  'tags',
  'metadata',
  'aliases',
  'ttl',
  'hold',
]);

/** Refuses what could never be stored, before its bytes are streamed to the disk. */
export function checkNewArtifact(input: NewArtifact): void {
  checkGiven(input, 'artifact', NEW_ARTIFACT);
  checkName(input.name, 'artifact.name');
  optional(input.stepId, 'artifact.stepId', checkId);
  if (input.ttl === null) throw invalid('artifact.ttl', 'must be a number of milliseconds');
  checkFields(input, 'artifact', EMPTY_ARTIFACT.createdAt);
  checkAliases(input.aliases ?? [], 'artifact.aliases');
  checkParents(input.parents ?? [], 'artifact.parents');
}

/**
 * A new version, unless the newest has the same bytes: then that one takes what is given of its fields.
 * `taken`: the media type where none is given.
 */
export function decidePutArtifact(
  state: RunState,
  runId: string,
  input: NewArtifact,
  blob: StoredBlob & { readonly taken: string },
  context: Context,
): Decision {
  requireRun(state, runId);
  checkNewArtifact(input);
  const newest = state.artifacts.get(input.name)?.at(-1);
  if (newest?.digest === blob.digest && newest.deletedAt === null) {
    return again(state, runId, newest, input, context);
  }
  const artifact: ArtifactRow = {
    ...EMPTY_ARTIFACT,
    mediaType: blob.taken,
    ...checkFields(input, 'artifact', context.at),
    id: context.freshId(),
    name: input.name,
    version: (newest?.version ?? 0) + 1,
    digest: blob.digest,
    size: blob.size,
    stepId: input.stepId ?? null,
    aliases: checkAliases(input.aliases ?? [], 'artifact.aliases'),
    parents: checkParents(input.parents ?? [], 'artifact.parents'),
    createdAt: context.at,
    updatedAt: context.at,
  };
  checkFacts(artifact);
  return [
    ...aliasesTaken(state, runId, artifact, artifact.aliases, context.at),
    { type: 'artifact.put', runId, artifact },
  ];
}

/** The same bytes once more. */
function again(
  state: RunState,
  runId: string,
  newest: ArtifactRow,
  input: NewArtifact,
  context: Context,
): Decision {
  const { mediaType, tags, metadata, ttl, aliases, parents } = input;
  if (parents !== undefined && !isSame(checkParents(parents, ''), newest.parents)) {
    const message = `${input.name} version ${newest.version} has the same bytes and other parents`;
    throw new StoreError('ALREADY_EXISTS', `${message}, which do not change`, { id: input.name });
  }
  const added = aliases && [...newest.aliases, ...checkAliases(aliases, 'artifact.aliases')];
  const patch = { mediaType, tags, metadata, aliases: added, ttl };
  return patched(state, runId, newest, patch, context);
}

export function decideUpdateArtifact(
  state: RunState,
  runId: string,
  ref: VersionRef,
  patch: ArtifactPatch,
  options: WriteOptions | undefined,
  context: Context,
): Decision {
  const artifact = requireArtifact(state, runId, ref);
  checkIfVersion(artifact.name, artifact.revision, options);
  checkGiven(patch, 'patch', PATCH);
  return patched(state, runId, artifact, patch, context);
}

function patched(
  state: RunState,
  runId: string,
  artifact: ArtifactRow,
  patch: ArtifactPatch,
  { at }: Context,
): Decision {
  const wanted: Partial<ArtifactRow> = {
    ...checkFields(patch, 'patch', at),
    ...(patch.aliases !== undefined && { aliases: checkAliases(patch.aliases, 'patch.aliases') }),
  };
  const set = differing(artifact, wanted);
  if (Object.keys(set).length === 0) return [];
  checkFacts({ ...artifact, ...set });
  return [
    ...aliasesTaken(state, runId, artifact, set.aliases ?? [], at),
    updated(runId, artifact, set, at),
  ];
}

function differing(artifact: ArtifactRow, wanted: Partial<ArtifactRow>): Partial<ArtifactRow> {
  const entries = Object.entries(wanted).filter(([key, value]) =>
    key === 'metadata'
      ? !samePayload(artifact.metadata, value as string)
      : !isSame(artifact[key as keyof ArtifactRow], value),
  );
  return Object.fromEntries(entries);
}

/** The order of keys does not count. */
function isSame(a: unknown, b: unknown): boolean {
  return samePayload(JSON.stringify(a), JSON.stringify(b));
}

/**
 * Deleted are the version of `ref`, or all of its name. It stays known, without its bytes: its number
 * is not given again, and what was made from it still names it.
 */
export function decideDeleteArtifact(
  state: RunState,
  runId: string,
  ref: VersionRef,
  allVersions: boolean,
  options: WriteOptions | undefined,
  { at }: Context,
): Decision {
  const artifact = requireArtifact(state, runId, ref);
  checkIfVersion(artifact.name, artifact.revision, options);
  const doomed = allVersions ? liveVersions(state, artifact.name) : [artifact];
  for (const row of doomed) refuseHeld(row);
  return doomed.map((row) => updated(runId, row, { deletedAt: at, aliases: [] }, at));
}

/** Deleted are the versions whose time to live has ended, held ones aside. */
export function decideExpireArtifacts(
  state: RunState,
  runId: string,
  { at }: Context,
): readonly Change[] {
  // A run may be gone by now, and its artifacts with it.
  return [...state.liveArtifacts()]
    .filter((row) => isExpired(row, at))
    .map((row) => updated(runId, row, { deletedAt: at, aliases: [] }, at));
}

export function isExpired({ expiresAt, hold }: ArtifactRow, at: string): boolean {
  return expiresAt !== null && hold === null && Date.parse(expiresAt) <= Date.parse(at);
}

/** An alias points at one version: the others lose it in the same commit. */
function aliasesTaken(
  state: RunState,
  runId: string,
  { name, version }: ArtifactRow,
  aliases: readonly string[],
  at: string,
): Decision {
  if (aliases.length === 0) return [];
  return (state.artifacts.get(name) ?? []).flatMap((row) => {
    const left = row.aliases.filter((alias) => !aliases.includes(alias));
    if (row.version === version || left.length === row.aliases.length) return [];
    return [updated(runId, row, { aliases: left }, at)];
  });
}

function updated(runId: string, row: ArtifactRow, set: Partial<ArtifactRow>, at: string): Change {
  const { name, version } = row;
  const revision = row.revision + 1;
  return {
    type: 'artifact.updated',
    runId,
    name,
    version,
    revision,
    set: { ...set, updatedAt: at },
  };
}

function liveVersions(state: RunState, name: string): readonly ArtifactRow[] {
  return (state.artifacts.get(name) ?? []).filter(({ deletedAt }) => deletedAt === null);
}

/** The version of `ref`. `NOT_FOUND` for one that was deleted, too. */
export function requireArtifact(state: RunState, runId: string, ref: VersionRef): ArtifactRow {
  requireRun(state, runId);
  const { name, version, alias } = checkRef(ref);
  if (version !== undefined) {
    const found = state.artifact(name, version);
    if (found?.deletedAt === null) return found;
    const why = found === undefined ? 'is not there' : `was deleted at ${found.deletedAt}`;
    throw missing(name, `run ${runId}: artifact ${name} version ${version} ${why}`);
  }
  const versions = state.artifacts.get(name) ?? [];
  const isWanted =
    alias === undefined || alias === LATEST
      ? ({ deletedAt }: ArtifactRow) => deletedAt === null
      : ({ aliases }: ArtifactRow) => aliases.includes(alias);
  const found = versions.findLast(isWanted);
  if (found !== undefined) return found;
  throw missing(name, `run ${runId} has no artifact ${name}${alias ? ` with alias ${alias}` : ''}`);
}

function checkRef({ name, version, alias }: VersionRef): VersionRef {
  checkName(name, 'artifact.name');
  if (alias !== undefined) checkName(alias, 'artifact.alias');
  if (version === undefined) return { name, alias };
  if (alias !== undefined) throw invalid('artifact.alias', 'does not go with a version');
  checkInteger(version, 'artifact.version', 1, Number.MAX_SAFE_INTEGER);
  return { name, version };
}

function missing(id: string, message: string): StoreError {
  return new StoreError('NOT_FOUND', message, { id });
}
