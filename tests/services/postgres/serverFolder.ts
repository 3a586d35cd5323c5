import { mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MEMORY = '/dev/shm';
/** Containers often have 64 MB there, which a server fills at once. */
const FREE_BYTES_MIN = 2 ** 30;

/**
 * A new folder for a server. In memory it starts several times as fast, and what was committed
 * survives SIGKILL all the same: only the machine's own end would take it.
 */
export function makeServerFolder(isOnDisk: boolean): string {
  return mkdtempSync(join(isOnDisk || !hasMemory() ? tmpdir() : MEMORY, 'holdfast-postgres-'));
}

function hasMemory(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= FREE_BYTES_MIN;
  } catch {
    return false; // This system has no such place.
  }
}
