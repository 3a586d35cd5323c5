import { StoreError } from '../errors.ts';
import { checkId, checkInteger, checkName, checkGiven } from './check.ts';
import type { NewArtifact } from './commands.ts';
import { type Context, type Decision, requireRun } from './decision.ts';
import type { ArtifactRow } from './entities.ts';
import { samePayload } from './payload.ts';
import { encodeMetadata, optional } from './run.ts';
import type { RunState } from './runState.ts';

/** Bytes that are already durable. */
export interface StoredBlob {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

const NEW_ARTIFACT: ReadonlySet<string> = new Set([
  'name',
  'stepId',
  'mediaType',
  'metadata',
  'body',
]);

/** Refuses what could never be stored, before its bytes are streamed to the disk. */
export function checkNewArtifact(input: NewArtifact): void {
  checkGiven(input, 'artifact', NEW_ARTIFACT);
  checkName(input.name, 'artifact.name');
  if (input.mediaType !== undefined) checkName(input.mediaType, 'artifact.mediaType');
  optional(input.stepId, 'artifact.stepId', checkId);
  encodeMetadata(input.metadata, 'artifact.metadata');
}

export function decidePutArtifact(
  state: RunState,
  runId: string,
  input: NewArtifact,
  blob: StoredBlob,
  context: Context,
): Decision {
  requireRun(state, runId);
  checkNewArtifact(input);
  const newest = state.artifacts.get(input.name)?.at(-1);
  const artifact: ArtifactRow = {
    id: context.freshId(),
    name: input.name,
    version: (newest?.version ?? 0) + 1,
    revision: 1,
    digest: blob.digest,
    size: blob.size,
    mediaType: input.mediaType ?? 'application/octet-stream',
    stepId: input.stepId ?? null,
    metadata: encodeMetadata(input.metadata, 'artifact.metadata'),
    createdAt: context.at,
    updatedAt: context.at,
  };
  if (newest !== undefined && isSame(newest, artifact)) return [];
  return [{ type: 'artifact.put', runId, artifact }];
}

function isSame(a: ArtifactRow, b: ArtifactRow): boolean {
  return (
    a.digest === b.digest &&
    a.mediaType === b.mediaType &&
    a.stepId === b.stepId &&
    samePayload(a.metadata, b.metadata)
  );
}

export function requireArtifact(
  state: RunState,
  runId: string,
  name: string,
  version: number | undefined,
): ArtifactRow {
  requireRun(state, runId);
  checkName(name, 'artifact.name');
  if (version !== undefined) {
    checkInteger(version, 'artifact.version', 1, Number.MAX_SAFE_INTEGER);
  }
  const versions = state.artifacts.get(name) ?? [];
  const found =
    version === undefined ? versions.at(-1) : versions.find((row) => row.version === version);
  if (found !== undefined) return found;
  const wanted = version === undefined ? name : `${name} version ${version}`;
  throw new StoreError('NOT_FOUND', `run ${runId} has no artifact ${wanted}`, { id: name });
}
