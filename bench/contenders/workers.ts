import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Store } from '../../src/index.ts';
import { openDurableSqlite } from './rawSqlite.ts';
import { performW, type Worker } from './workload.ts';

export function holdfastWorker(store: Store): Worker {
  return {
    name: 'Holdfast',
    syncs: true,
    async run(n) {
      let runId = '';
      const stepIds: string[] = [];
      const id = (step: number): string => stepIds[step] ?? '';
      await performW(
        {
          async create() {
            runId = (await store.runs.create({ workflow: 'w', input: { n } })).id;
          },
          async createStep(step) {
            const created = await store.steps.create(runId, { name: `step-${step}` });
            stepIds.push(created.id);
          },
          startStep: (step) => store.steps.update(runId, id(step), { status: 'running' }),
          completeStep: (step, output) =>
            store.steps.update(runId, id(step), {
              status: 'succeeded',
              output,
            }),
          event: (step, event) =>
            store.events.append(runId, {
              type: 'message',
              stepId: id(step),
              payload: event,
            }),
        },
        n,
      );
    },
    close: () => store.close(),
  };
}

/** One NDJSON file per run, each line synced: what one writes by hand when it must not be lost. */
export function ndjsonWorker(folder: string): Worker {
  return {
    name: 'NDJSON file per run + fdatasync',
    syncs: true,
    async run(n) {
      const handle = await open(join(folder, `${n}.ndjson`), 'ax');
      const line = async (value: object): Promise<void> => {
        await handle.write(`${JSON.stringify({ at: new Date(), ...value })}\n`);
        await handle.datasync();
      };
      await performW(
        {
          create: () => line({ type: 'run.created', n }),
          createStep: (step) => line({ type: 'step.created', step }),
          startStep: (step) => line({ type: 'step.started', step }),
          completeStep: (step, output) => line({ type: 'step.completed', step, output }),
          event: (step, event) => line({ type: 'message', step, event }),
        },
        n,
      );
      await handle.close();
    },
    close: () => {},
  };
}

export function sqliteWorker(folder: string): Worker {
  const database = openDurableSqlite(folder);
  database.exec(`
    CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT, created_at TEXT) WITHOUT ROWID;
    CREATE TABLE steps (run_id TEXT, id INTEGER, name TEXT, status TEXT, output TEXT, at TEXT,
      PRIMARY KEY (run_id, id)) WITHOUT ROWID;
    CREATE TABLE events (run_id TEXT, seq INTEGER, step_id INTEGER, payload TEXT, at TEXT,
      PRIMARY KEY (run_id, seq)) WITHOUT ROWID`);
  const insertRun = database.prepare('INSERT INTO runs VALUES (?, ?, ?)');
  const insertStep = database.prepare('INSERT INTO steps VALUES (?, ?, ?, ?, NULL, ?)');
  const setStep = database.prepare(
    'UPDATE steps SET status = ?, output = ?, at = ? WHERE run_id = ? AND id = ?',
  );
  const insertEvent = database.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?)');
  const now = (): string => new Date().toISOString();
  return {
    name: 'raw SQLite, WAL, synchronous=FULL',
    syncs: true,
    run(n) {
      const run = `run-${n}`;
      let seq = 0;
      return performW(
        {
          create: () => void insertRun.run(run, 'queued', now()),
          createStep: (step) => void insertStep.run(run, step, `step-${step}`, 'queued', now()),
          startStep: (step) => void setStep.run('running', null, now(), run, step),
          completeStep: (step, output) =>
            void setStep.run('succeeded', JSON.stringify(output), now(), run, step),
          event: (step, event) =>
            void insertEvent.run(run, (seq += 1), step, JSON.stringify(event), now()),
        },
        n,
      );
    },
    close: () => database.close(),
  };
}
