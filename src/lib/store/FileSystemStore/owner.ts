import { hostname } from 'node:os';
import { StoreError } from '../../errors.ts';
import { systemRandom } from '../../ports/random.ts';
import type { FileOperationService } from './FileOperationService.ts';

/** What `owner.json` holds: for messages, and to notice a successor. */
export interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Time of day, ISO 8601. */
  readonly started: string;
  readonly token: string;
}

/** This process, from `now` (milliseconds since 1970) on. */
export function newOwner(now: number): Owner {
  return {
    pid: process.pid,
    host: hostname(),
    started: new Date(now).toISOString(),
    token: Buffer.from(systemRandom.bytes(12)).toString('hex'),
  };
}

/** `undefined` when there is none, or nothing that can be read: who cannot read its own has lost it. */
export async function readOwner(
  files: FileOperationService,
  path: string,
): Promise<Partial<Owner> | undefined> {
  try {
    const bytes = await files.readIfPresent(path);
    const owner: unknown = bytes === undefined ? null : JSON.parse(Buffer.from(bytes).toString());
    return typeof owner === 'object' && owner !== null ? owner : undefined;
  } catch {
    return undefined;
  }
}

/** What somebody is told who waited in vain. */
export function lockedError(folder: string, owner: Partial<Owner> | undefined): StoreError {
  const own = owner?.pid === process.pid && owner.host === hostname();
  const who =
    owner === undefined
      ? 'another process'
      : own
        ? `this process (pid ${process.pid}), by a store that is still open`
        : `the process with pid ${owner.pid} on ${owner.host}, since ${owner.started}`;
  const remedy = own ? 'close that store first' : 'wait for it to end, or stop it';
  return new StoreError('STORE_LOCKED', `${folder} is in use by ${who}: ${remedy}`);
}
