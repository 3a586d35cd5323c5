import { createHash } from 'node:crypto';
import { v7 } from 'uuid';
import { checkId, checkName, invalid } from './check.ts';
import type { NewRun } from './commands.ts';

/** A UUIDv7 (RFC 9562, section 5.7) of this moment and these 16 random bytes. */
export function uuidv7(milliseconds: number, random: Uint8Array): string {
  return v7({ msecs: milliseconds, random });
}

/** The id of a new run: the caller's, or derived from workflow and key, or a fresh one. */
export function idOfNewRun(run: NewRun, freshId: () => string): string {
  if (typeof run !== 'object' || run === null) throw invalid('run', 'must be an object');
  if (run.id !== undefined) {
    if (run.idempotencyKey !== undefined) {
      throw invalid('run.idempotencyKey', 'cannot be combined with run.id: a key derives the id');
    }
    return checkId(run.id, 'run.id');
  }
  if (run.idempotencyKey === undefined) return freshId();
  const workflow = checkName(run.workflow, 'run.workflow');
  return runIdOfKey(workflow, checkName(run.idempotencyKey, 'run.idempotencyKey'));
}

/** A UUIDv8 (RFC 9562, section 5.8) of SHA-256(workflow, NUL, key): neither can contain NUL. */
export function runIdOfKey(workflow: string, key: string): string {
  const hex = createHash('sha256').update(`${workflow}\u0000${key}`).digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
