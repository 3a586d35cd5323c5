import { AsyncLocalStorage } from 'node:async_hooks';
import { StoreError } from '../errors.ts';

/** Who holds a connection of which database, in the calls that led here. */
interface Holder {
  readonly database: object;
  /** What nobody else can write meanwhile: a file of SQLite. */
  readonly lock: string | undefined;
  readonly outer: Holder | undefined;
  isHolding: boolean;
}

const holders = new AsyncLocalStorage<Holder>();

/** Runs `work`, and all that it calls, as the holder of a connection of `database`. */
export async function holding<T>(
  database: object,
  work: () => Promise<T>,
  lock?: string,
): Promise<T> {
  const holder: Holder = { database, lock, outer: holders.getStore(), isHolding: true };
  try {
    return await holders.run(holder, work);
  } finally {
    holder.isHolding = false;
  }
}

/**
 * `NESTED_CONNECTION` where the caller holds a connection already. Enough such callers would each hold
 * one and wait for another for ever.
 */
export function refuseNested(database: object): void {
  if (!isInside((holder) => holder.database === database)) return;
  const message = 'a transaction or session asked its own database for another connection';
  throw new StoreError('NESTED_CONNECTION', message);
}

/** Whether the caller is inside of the transaction that keeps everybody else from writing to `lock`. */
export function isInsideOf(lock: string | undefined): boolean {
  return lock !== undefined && isInside((holder) => holder.lock === lock);
}

function isInside(isMeant: (holder: Holder) => boolean): boolean {
  for (let holder = holders.getStore(); holder !== undefined; holder = holder.outer) {
    if (holder.isHolding && isMeant(holder)) return true;
  }
  return false;
}
