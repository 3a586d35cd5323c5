import { isDeepStrictEqual } from 'node:util';
import { isStoreError, type Store } from '../../../src/index.ts';
import { collect } from '../../fixtures/collect.ts';

/** Runs whose id begins so tell that a store still works; they are no part of what is compared. */
export const PROBE = 'probe';

/** What a finding says of a file that is whole, as far as anybody knows. */
export const UNREADABLE = 'the disk cannot read it';

/** Everything that a store tells about each run and each pin: `run <id>` or `pin <name>`. */
export type Contents = ReadonlyMap<string, unknown>;

/** Of a store or of some of its runs: whole values, the bytes of artifacts too. */
export async function contentsOf(store: Store): Promise<Contents> {
  const contents = new Map<string, unknown>();
  for await (const run of store.runs.list()) {
    if (run.id.startsWith(PROBE)) continue;
    const whole = await store.runs.get(run.id);
    if (!isDeepStrictEqual(whole, run)) throw new Error(`list and get differ over ${run.id}`);
    contents.set(`run ${run.id}`, {
      run,
      steps: await collect(store.steps.list(run.id)),
      events: await collect(store.events.list(run.id)),
      artifacts: await artifactsOf(store, run.id),
    });
  }
  for (const pin of await store.pins.list()) contents.set(`pin ${pin.name}`, pin);
  return contents;
}

async function artifactsOf(store: Store, runId: string): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const artifact of store.artifacts.list(runId, { allVersions: true })) {
    const { id: _drawnAnew, ...rest } = artifact;
    const { name, version } = artifact;
    const chunks = await collect(store.artifacts.open(runId, name, { version }));
    found.push({ ...rest, bytes: Buffer.concat(chunks).toString('latin1') });
  }
  return found;
}

/**
 * Those runs of which the disk could not read a file while the store opened: until it is opened again
 * they are not served, and said to be there (`DATA_CORRUPT`). Nothing of them may be lost.
 */
export async function unreadRuns(store: Store, before: Contents): Promise<Contents> {
  const { findings } = await store.verify();
  if (!findings.some(({ message }) => message.includes(UNREADABLE))) return new Map();
  const unread = new Map<string, unknown>();
  for (const [key, value] of before) {
    const [kind, id = ''] = key.split(' ');
    if (kind === 'run' && (await isDamaged(store, id))) unread.set(key, value);
  }
  return unread;
}

async function isDamaged(store: Store, runId: string): Promise<boolean> {
  try {
    await store.runs.get(runId);
    return false;
  } catch (error) {
    return isStoreError(error, 'DATA_CORRUPT');
  }
}

/** What an operation does to a store: all of it is there, nothing of it, or it changes nothing. */
export type Effect = 'there' | 'absent' | 'none';

/** Compares with what was before an operation and what is after it; throws at anything else. */
export function effectIn(actual: Contents, before: Contents, after: Contents): Effect {
  const keys = new Set([...before.keys(), ...after.keys(), ...actual.keys()]);
  let effect: Effect = 'none';
  for (const key of keys) {
    const [was, is, found] = [before.get(key), after.get(key), actual.get(key)];
    const changes = !isDeepStrictEqual(was, is);
    const here: Effect = !changes ? 'none' : isDeepStrictEqual(found, is) ? 'there' : 'absent';
    if (here !== 'there' && !isDeepStrictEqual(found, was)) {
      throw new Error(
        `${key} is ${text(found)}\n  before it was ${text(was)}\n  after ${text(is)}`,
      );
    }
    if (here !== 'none' && effect !== 'none' && here !== effect) {
      throw new Error(`half of it is there: ${key} is ${here}, something else is not`);
    }
    if (here !== 'none') effect = here;
  }
  return effect;
}

function text(value: unknown): string {
  return value === undefined ? 'not there' : JSON.stringify(value).slice(0, 1_500);
}
