import { constants } from 'node:fs';
import type { PortCall, PortOperation } from './call.ts';

const SYNCS: ReadonlySet<PortOperation> = new Set(['sync', 'datasync']);
const TRIES: ReadonlySet<PortOperation> = new Set(['write', 'truncate', 'sync', 'datasync']);

/** Whether the call promises that bytes or names are durable: a sync, or a write on `O_DSYNC`. */
export function isSync({ op, flags }: PortCall): boolean {
  if (SYNCS.has(op)) return true;
  const durable = constants.O_DSYNC ?? 0;
  return op === 'write' && typeof flags === 'number' && durable !== 0 && (flags & durable) !== 0;
}

/**
 * What was still done with a file after this call on it had failed, other than closing, reading or
 * removing it: after a failed sync the kernel takes the pages for clean, and the next one succeeds
 * (W3). A rename that would give the file its name counts too.
 */
export function triesAfter(failed: PortCall, calls: readonly PortCall[]): readonly PortCall[] {
  return calls.filter(
    ({ number, file, op, handle }) =>
      number > failed.number &&
      file === failed.file &&
      (op === 'rename' || (handle !== undefined && TRIES.has(op))),
  );
}
