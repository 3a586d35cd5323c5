/**
 * A process that is going to be killed: its callers work on a store as fast as they can, and it
 * tells of each operation only after the store has acknowledged it.
 */
import { writeSync } from 'node:fs';
import { isStoreError, openStore } from '../../../src/index.ts';
import { type Operation, pairOne, perform } from './operation.ts';
import { callersOf, type Phase, sharedRunOf, TUNING, type WriterTask } from './protocol.ts';
import type { CallerWork } from './work.ts';

const task = JSON.parse(process.argv[2] ?? '') as WriterTask;
const sharedRunId = sharedRunOf(task.prefix);
let acknowledged = 0;

const begin = (phase: Phase) => tell(phase);

begin('opening');
const store = await openStore(task.url, TUNING);
await store.runs.create({ id: sharedRunId, workflow: 'shared' });
begin('working');
await Promise.all(callersOf(task).map(write));

/** At once and in full: what the kernel has been given outlives the process. */
function tell(...words: readonly (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`);
}

async function write(work: CallerWork, caller: number): Promise<void> {
  for (let n = 0; ; n++) {
    const operation = work.next();
    if (task.flaw === 'early') tell('ok', caller, n);
    try {
      const seq = await call(operation);
      if (task.flaw !== 'early') tell('ok', caller, n, ...(seq === undefined ? [] : [seq]));
    } catch (error) {
      if (!isStoreError(error, 'STORE_CLOSED')) throw error;
      return tell('no', caller, n);
    }
    if (++acknowledged === task.closeAfter) void close();
  }
}

async function call(operation: Operation): Promise<number | undefined> {
  if (task.flaw !== 'halves' || operation.kind !== 'pair') {
    return perform(store, operation, sharedRunId);
  }
  for (const id of operation.runIds) await pairOne(store, id, operation.mark);
  return undefined;
}

async function close(): Promise<void> {
  begin('closing');
  await store.close();
  begin('closed');
  // Whoever is to kill it finds it alive.
  setInterval(() => undefined, 2 ** 30);
}
