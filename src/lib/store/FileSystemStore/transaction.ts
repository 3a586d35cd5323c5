import { StoreError } from '../../errors.ts';
import { LIMITS } from '../../limits.ts';
import type { Change } from '../../model/change.ts';
import { checkId, checkList, invalid } from '../../model/check.ts';
import type { RunRow } from '../../model/entities.ts';
import type { RunState } from '../../model/runState.ts';
import type { Transaction } from '../contract.ts';
import type { ActiveTransaction, Committer } from './committer.ts';
import type { LiveRun } from './liveRun.ts';
import type { Decide, RunWriter } from './writer.ts';

interface StagedRun {
  readonly live: LiveRun;
  /** The run's head when it was forked: if it has moved, another writer came in between. */
  readonly head: number;
  readonly state: RunState;
}

/** Copies of some runs on which a transaction works; nothing leaves it before it is committed. */
class Staging implements RunWriter {
  readonly changes: Change[] = [];
  readonly #committer: Committer;
  readonly #runs: ReadonlyMap<string, StagedRun>;
  #ended = false;

  constructor(committer: Committer, runs: ReadonlyMap<string, StagedRun>) {
    this.#committer = committer;
    this.#runs = runs;
  }

  async write<T>(runId: string, decide: Decide, answer: (state: RunState) => T): Promise<T> {
    const state = this.#stateOf(runId);
    const changes = decide(state, this.#committer.context());
    for (const change of changes) state.apply(change);
    this.changes.push(...changes);
    return answer(state);
  }

  /** A damaged run cannot be staged: only a call of its own deletes it. */
  delete(runId: string, decide: Decide): Promise<void> {
    return this.write(runId, decide, () => undefined);
  }

  async read<T>(runId: string, answer: (state: RunState) => T): Promise<T> {
    return answer(this.#stateOf(runId));
  }

  async readRun(runId: string): Promise<RunRow | undefined> {
    return this.#stateOf(runId).run;
  }

  refuseUnwritable(): void {
    this.#refuseEnded();
    this.#committer.refuseUnwritable();
  }

  freshId(): string {
    return this.#committer.freshId();
  }

  end(): void {
    this.#ended = true;
  }

  #refuseEnded(): void {
    if (!this.#ended) return;
    const message = 'the transaction has ended: await every call on tx inside its callback';
    throw new StoreError('TRANSACTION_ENDED', message);
  }

  #stateOf(runId: string): RunState {
    this.#refuseEnded();
    const staged = this.#runs.get(checkId(runId, 'runId'));
    if (staged === undefined) {
      throw invalid('runId', `${runId} is not among the runs of this transaction`);
    }
    return staged.state;
  }
}

/**
 * Optimistic: the callback works on forks while others may write. If the head of one of the runs
 * has moved when it returns, what it saw is no longer so, and it runs again on fresh forks.
 */
export async function runTransaction<T>(
  committer: Committer,
  runIds: string | readonly string[],
  work: (writer: RunWriter) => Promise<T>,
): Promise<T> {
  const ids = checkRunIds(runIds);
  committer.refuseNested(ids);
  let conflict: unknown;
  for (let tries = 0; tries < LIMITS.transactionTriesMax; tries++) {
    const outcome = await tryTransaction(committer, ids, work);
    if ('result' in outcome) return outcome.result;
    conflict = outcome.conflict;
  }
  throw conflict;
}

/** `conflict`: another writer came in between, and nothing was stored. */
async function tryTransaction<T>(
  committer: Committer,
  ids: readonly string[],
  work: (writer: RunWriter) => Promise<T>,
): Promise<{ readonly result: T } | { readonly conflict: unknown }> {
  const runs = new Map<string, StagedRun>();
  try {
    await stage(committer, ids, runs);
    const staging = new Staging(committer, runs);
    const outcome = await callBack(committer, ids, staging, work);
    const lives = [...runs.values()].map(({ live }) => live);
    if ('error' in outcome) {
      // An error may rest on a mixture of before and after what another writer did.
      if (hasMoved(runs)) return { conflict: outcome.error };
      // What the callback saw may rest on queued commits: it fails as they fail.
      await settled(lives);
      throw outcome.error;
    }
    if (hasMoved(runs)) return { conflict: movedRuns() };
    committer.refuseUnwritable();
    await commitStaged(committer, lives, staging.changes);
    return outcome;
  } finally {
    for (const { live } of runs.values()) {
      live.staging--;
      committer.runs.release(live);
    }
  }
}

const RUN_CALLS = ['create', 'get', 'update', 'reset', 'retry', 'delete'] as const;
const STEP_CALLS = ['create', 'get', 'list', 'ready', 'update', 'reset', 'retry'] as const;

/** What a callback is given: the services also have calls that would see past the staging. */
export function transactionOver(services: Transaction): Transaction {
  const { runs, steps, events, artifacts } = services;
  return {
    runs: only<Transaction['runs']>(runs, RUN_CALLS),
    steps: only<Transaction['steps']>(steps, STEP_CALLS),
    events: only<Transaction['events']>(events, ['append']),
    artifacts: only<Transaction['artifacts']>(artifacts, ['put', 'get']),
  };
}

function only<Service extends object>(
  service: Service,
  names: readonly (keyof Service)[],
): Service {
  const bound = names.map((name) => {
    const call = service[name] as (...args: readonly unknown[]) => unknown;
    return [name, call.bind(service)];
  });
  return Object.fromEntries(bound) as Service;
}

/** Runs that were only read are not part of the commit; what was seen of them may be queued. */
async function commitStaged(
  committer: Committer,
  lives: readonly LiveRun[],
  changes: readonly Change[],
): Promise<void> {
  const touched = lives.filter(({ id }) => changes.some(({ runId }) => runId === id));
  const durability = changes.length > 0 ? committer.enqueue(touched, changes) : undefined;
  await Promise.all([durability, ...lives.map((live) => live.settled())]);
}

async function callBack<T>(
  committer: Committer,
  ids: readonly string[],
  staging: Staging,
  work: (writer: RunWriter) => Promise<T>,
): Promise<{ readonly result: T } | { readonly error: unknown }> {
  const active: ActiveTransaction = { runIds: new Set(ids), ended: false };
  try {
    return { result: await committer.active.run(active, () => work(staging)) };
  } catch (error) {
    return { error };
  } finally {
    active.ended = true;
    staging.end();
  }
}

/** Forks the runs, one after the other; what was forked stays in `runs` if a later one fails. */
async function stage(
  committer: Committer,
  ids: readonly string[],
  runs: Map<string, StagedRun>,
): Promise<void> {
  await committer.admit();
  for (const id of ids) {
    let live;
    while ((live = committer.ready(id)) === undefined) await committer.makeReady(id);
    live.staging++;
    committer.runs.hold(live);
    runs.set(id, { live, head: live.head, state: live.decided.fork() });
  }
}

function movedRuns(): StoreError {
  const message = `other writers moved the runs ${LIMITS.transactionTriesMax} times in a row`;
  return new StoreError('VERSION_CONFLICT', message);
}

function hasMoved(runs: ReadonlyMap<string, StagedRun>): boolean {
  return [...runs.values()].some(({ live, head }) => live.head !== head);
}

async function settled(lives: readonly LiveRun[]): Promise<void> {
  await Promise.all(lives.map((live) => live.settled()));
}

function checkRunIds(value: string | readonly string[]): readonly string[] {
  const ids = typeof value === 'string' ? [value] : checkList(value, 'runIds', LIMITS.listMax);
  if (ids.length === 0) throw invalid('runIds', 'must name at least one run');
  return [...new Set(ids.map((id, i) => checkId(id, `runIds[${i}]`)))];
}
