import type { Artifact, Run, RunEvent, Step, Store } from '../../src/index.ts';
import { collect } from '../fixtures/collect.ts';

/** Writes what a format has to carry: every kind of change, names and payloads that invite mistakes. */
export async function fill(store: Store): Promise<{ readonly runId: string }> {
  const { runs, steps, events, artifacts } = store;
  const metadata = { $json: [], note: 'an object whose first key looks like a wrapper' };
  const run = await runs.create({ workflow: 'first', tags: { team: 'é' }, metadata, priority: 3 });
  const runId = run.id;
  await runs.create({ id: 'Run/É 1', workflow: 'bytes', input: new TextEncoder().encode('bytes') });
  await runs.create({ id: 'con.x', workflow: 'names', input: { $bytes: 'text', n: 0.1 } });
  const last = await steps.create(runId, { id: 'z', name: 'last', onDependencyFailure: 'wait' });
  const step = await steps.create(runId, {
    id: 'a',
    name: 'fetch',
    idempotencyKey: 'k',
    input: [1],
  });
  await runs.update(runId, { status: 'running', worker: 'w1' });
  await steps.update(runId, step.id, { status: 'running', metrics: { tokens: 3 }, progress: 0.5 });
  await steps.update(runId, last.id, { dependsOn: [step.id] });
  const lookalike = { text: 'a "quote",\n\u{1F980}', crc: '00000000', $json: 1 };
  const appended = Array.from({ length: 150 }, (_, i) =>
    events.append(runId, { type: 'line', stepId: step.id, payload: { i, ...lookalike } }),
  );
  await Promise.all(appended);
  const occurredAt = new Date(0);
  await events.append(runId, { type: 'old', occurredAt, payload: { $json: 1 } });
  await artifacts.put(runId, { name: 'page.html', mediaType: 'text/html', body: '<p>1</p>' });
  await artifacts.put(runId, { name: 'page.html', body: '<p>2</p>', metadata: { second: true } });
  await artifacts.put('con.x', { name: 'empty', body: new Uint8Array() });
  await artifacts.update(
    runId,
    'page.html',
    { tags: { k: 'v' }, aliases: ['best'] },
    { version: 1 },
  );
  await artifacts.update(runId, 'page.html', {
    aliases: ['best'],
    hold: 'why',
    metadata: { $json: 1 },
  });
  const parents = [{ runId, name: 'page.html', version: 1 }];
  await artifacts.put('con.x', { name: 'made', body: 'of it', parents, ttl: 60_000 });
  await artifacts.delete('con.x', 'empty');
  await store.transaction([runId, 'Run/É 1'], async (tx) => {
    await tx.steps.update(runId, step.id, { status: 'failed', error: new TypeError('no') });
    await tx.steps.update(runId, last.id, { status: 'skipped', reason: 'by hand' });
    await tx.runs.update(runId, { status: 'failed', error: new Error('no'), output: 'none' });
    await tx.runs.update('Run/É 1', { status: 'running' });
    await tx.events.append('Run/É 1', { type: 'joined' });
  });
  for (const id of ['gone', 'again']) {
    await runs.create({ id, workflow: 'before' });
    await events.append(id, { type: 'before' });
    await events.append(id, { type: 'before' });
  }
  return { runId };
}

/** Goes on with what `fill` wrote, in a later session: one run is gone, one id lives on. */
export async function goOn({ runs, events }: Store, runId: string): Promise<void> {
  await events.append(runId, { type: 'later' });
  await runs.delete('gone');
  await runs.delete('again');
  await runs.create({ id: 'again', workflow: 'after' });
  await events.append('again', { type: 'after' });
}

export interface Answer {
  readonly run: Run;
  readonly steps: readonly Step[];
  readonly events: readonly RunEvent[];
  readonly artifacts: readonly Artifact[];
}

/** All that a store has to say, by run id. */
export async function answersOf(store: Store): Promise<ReadonlyMap<string, Answer>> {
  const answers = new Map<string, Answer>();
  for await (const run of store.runs.list()) {
    const steps = await collect(store.steps.list(run.id));
    const events = await collect(store.events.list(run.id));
    const artifacts = await collect(
      store.artifacts.list(run.id, { allVersions: true, deleted: true }),
    );
    answers.set(run.id, { run, steps, events, artifacts });
  }
  return answers;
}

/** An entity as JSON has it; bytes as text, and without what the format does not keep. */
export function plain(entity: object): Record<string, unknown> {
  const json = JSON.stringify(entity, (_key, value: unknown) =>
    value instanceof Uint8Array ? new TextDecoder().decode(value) : value,
  );
  const { remaining: _, runId: __, ...fields } = JSON.parse(json) as Record<string, unknown>;
  return fields;
}
