/**
 * A process that is going to be killed: it writes runs, steps, events and transactions as fast as it
 * can from several callers, and prints one line for each write only after it was acknowledged.
 */
import { openStore } from '../../src/index.ts';

const [url = '', callers = '1', prefix = ''] = process.argv.slice(2);
const store = await openStore(url, { quietMs: 20, journalBytesKeep: 64 * 1024 });
process.stdout.write('ready\n');

async function write(caller: number): Promise<never> {
  for (let n = 0; ; n++) {
    const id = `${prefix}-${caller}-${n}`;
    await store.runs.create({ id, workflow: 'crash', input: { caller, n } });
    acknowledge('run', id);
    const step = await store.steps.create(id, { id: 'only', name: 'only' });
    acknowledge('step', id, 'queued');
    await store.steps.update(id, step.id, { status: 'running' });
    acknowledge('step', id, 'running');
    for (let seq = 1; seq <= 5; seq++) {
      await store.events.append(id, { type: 'tick', payload: { seq, text: 'x'.repeat(seq * 50) } });
      acknowledge('event', id, seq);
    }
    await store.transaction(id, async (tx) => {
      await tx.steps.update(id, 'only', { status: 'succeeded', output: n });
      await tx.runs.update(id, { tags: { done: 'yes' } });
    });
    acknowledge('step', id, 'succeeded');
  }
}

function acknowledge(...what: readonly (string | number)[]): void {
  process.stdout.write(`${what.join(' ')}\n`);
}

await Promise.all(Array.from({ length: Number(callers) }, (_, caller) => write(caller)));
