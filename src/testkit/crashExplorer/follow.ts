import { type Commit, isStoreError, type Store } from '../../index.ts';
import { Broken } from './ledger.ts';

const ROUNDS_MAX = 50_000;

/** All commits after a cursor up to the end of the log; `undefined` when it has expired. */
export async function commitsAfter(store: Store, cursor: string): Promise<Commit[] | undefined> {
  const end = store.position();
  const commits: Commit[] = [];
  if (cursor === end) return commits;
  const log = store.watch({ after: cursor })[Symbol.asyncIterator]();
  try {
    while (commits.at(-1)?.position !== end) {
      const next = await soon(log.next());
      if (next.done === true) break;
      commits.push(next.value);
    }
    return commits;
  } catch (error) {
    if (isStoreError(error, 'POSITION_EXPIRED')) return undefined;
    if (!isStoreError(error)) throw error;
    throw new Broken('a cursor gives every later change once', error.message, error);
  } finally {
    await log.return?.();
  }
}

/** What is stored comes without waiting for anything: who waits, waits for ever. */
async function soon<T>(promise: Promise<T>): Promise<T> {
  let settled = false;
  const done = promise.finally(() => (settled = true));
  done.catch(() => undefined);
  for (let rounds = 0; !settled; rounds++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (rounds < ROUNDS_MAX) continue;
    throw new Broken('a cursor gives every later change once', 'the next commit never came');
  }
  return done;
}
