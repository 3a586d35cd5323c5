import { isDeepStrictEqual } from 'node:util';
import type { ErrorCode } from '../../../src/index.ts';
import type { SequentialModel } from '../../../src/testkit/linearizability.ts';
import type { Answer, Call, RunCall } from './calls.ts';
import { effectOf, type ModelRun, Refusal, required, viewOf } from './rules.ts';

/** Every run that the history speaks of; `null` where there is none of this id. */
type World = Readonly<Record<string, ModelRun | null>>;

/** They say that nothing happened, whatever the state; whether they are in order, the disk knows. */
export const UNAVAILABLE: ReadonlySet<string> = new Set<ErrorCode>([
  'STORE_POISONED',
  'STORE_CLOSED',
  'STORAGE_FULL',
  'STORAGE_FAILED',
  'DATA_CORRUPT',
]);

/** The store as one caller alone would find it: written from the documentation, not from the code. */
export function modelOf(runIds: readonly string[]): SequentialModel<World, Call, Answer> {
  return {
    initial: Object.fromEntries(runIds.toSorted().map((id) => [id, null])),
    step(world, call, output) {
      if (isWithoutEffect(output)) return [world];
      const [next, answer] = apply(world, call);
      return output === undefined || isDeepStrictEqual(answer, output) ? [next] : [];
    },
    key: (world) => Object.values(world).map(keyOf).join(' '),
  };
}

/** States are many and runs are few: each is written once. */
const keys = new WeakMap<ModelRun, string>();

function keyOf(run: ModelRun | null): string {
  if (run === null) return '-';
  const known = keys.get(run);
  if (known !== undefined) return known;
  const key = JSON.stringify(run);
  keys.set(run, key);
  return key;
}

function isWithoutEffect(output: Answer | undefined): boolean {
  if (output === undefined || output === null || !('refused' in output)) return false;
  return UNAVAILABLE.has(output.refused) || output.gaveUp === true;
}

function apply(world: World, call: Call): readonly [World, Answer] {
  try {
    if (call.op === 'list') {
      return [world, Object.values(world).flatMap((run) => (run === null ? [] : [viewOf(run)]))];
    }
    if (call.op === 'transaction') return applyAll(world, call.calls);
    if (call.op === 'events') return [world, pageOf(there(world, call.run), call)];
    const [run, answer] = effectOf(world[call.run] ?? null, call);
    return [{ ...world, [call.run]: run }, answer];
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    return [world, { refused: refusal.code }];
  }
}

/** All of it, or nothing and the first refusal. */
function applyAll(world: World, calls: readonly RunCall[]): readonly [World, Answer] {
  const after = { ...world };
  const answers: Answer[] = [];
  for (const call of calls) {
    const [run, answer] = effectOf(after[call.run] ?? null, call);
    after[call.run] = run;
    answers.push(answer);
  }
  return [after, answers];
}

function pageOf({ events }: ModelRun, { after, limit }: { after: number; limit: number }): Answer {
  const rest = events.slice(after);
  return { items: rest.slice(0, limit), hasMore: rest.length > limit };
}

function there(world: World, id: string): ModelRun {
  return required(world[id] ?? null);
}
