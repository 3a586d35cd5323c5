import type { Database } from '../db.ts';
import { StoreError } from '../errors.ts';
import type { Patience } from './waiting.ts';

/** Who runs migrations on a database that others of this process want to migrate too. */
const busy = new WeakSet<Database>();

/**
 * One at a time on one `Database`: whoever waits here holds no connection. Others, in this process or
 * in another, are kept out by the lock of the database.
 */
export async function inTurn<T>(
  db: Database,
  patience: Patience,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  while (busy.has(db)) {
    if (await patience.wait(signal)) continue;
    throw new StoreError('LOCK_TIMEOUT', 'other migrations of this process did not end in time');
  }
  busy.add(db);
  try {
    return await work();
  } finally {
    busy.delete(db);
  }
}
