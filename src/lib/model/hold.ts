import { StoreError } from '../errors.ts';
import type { ArtifactRow } from './entities.ts';
import type { RunState } from './runState.ts';

/** `ARTIFACT_HELD` for a run with an artifact that must not be deleted. */
export function refuseHeldRun(state: RunState): void {
  for (const versions of state.artifacts.values()) for (const row of versions) refuseHeld(row);
}

export function refuseHeld({ name, version, hold }: ArtifactRow): void {
  if (hold === null) return;
  const message = `artifact ${name} version ${version} is held: ${hold}`;
  throw new StoreError('ARTIFACT_HELD', message, { id: name });
}
