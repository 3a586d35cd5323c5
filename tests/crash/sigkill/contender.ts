/**
 * A process that tries to own a store when it is told to on its standard input, writes into it when
 * it does, and says how that went.
 */
import { createInterface } from 'node:readline';
import { isStoreError, openStore } from '../../../src/index.ts';

/** Some tries at the lock: two that try at the same instant can be in each other's way. */
const LOCK_WAIT_MS = 500;

const [url = '', name = ''] = process.argv.slice(2);
const say = (what: unknown) => process.stdout.write(`${JSON.stringify(what)}\n`);

async function contend(): Promise<void> {
  try {
    const store = await openStore(url, { lockWaitMs: LOCK_WAIT_MS });
    const { seq } = await store.events.append('all', { type: 'owned', payload: name });
    say({ seq });
  } catch (error) {
    if (!isStoreError(error, 'STORE_LOCKED')) throw error;
    say({ refused: error.message });
  }
}

createInterface({ input: process.stdin }).on('line', () => void contend());
say('ready');
