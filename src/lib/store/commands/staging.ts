import { AsyncLocalStorage } from 'node:async_hooks';
import { StoreError } from '../../errors.ts';
import { LIMITS } from '../../limits.ts';
import type { Change } from '../../model/change.ts';
import { checkId, checkList, invalid } from '../../model/check.ts';
import type { Context } from '../../model/decision.ts';
import type { EventRow, RunRow } from '../../model/entities.ts';
import type { RunState } from '../../model/runState.ts';
import type { Transaction } from '../contract.ts';
import type { Decide, RunWriter } from './writer.ts';

/** The runs of the transaction in whose callback we are; `ended` once that has returned. */
interface ActiveTransaction {
  readonly runIds: Pick<ReadonlySet<string>, 'has'>;
  ended: boolean;
}

/** Which transaction a call is made inside of: a write past it would wait for itself. */
export class ActiveTransactions {
  readonly #active = new AsyncLocalStorage<ActiveTransaction>();

  refuseNested(runIds: readonly string[]): void {
    const active = this.#active.getStore();
    if (active === undefined || active.ended) return;
    const nested = runIds.find((id) => active.runIds.has(id));
    if (nested === undefined) return;
    const message = `run ${nested} is held by the transaction around this call: write through tx`;
    throw new StoreError('NESTED_TRANSACTION', message, { id: nested });
  }

  /**
   * The callback that calls this writes past its transaction from here on when it writes to one of
   * these runs in any other way, until what is returned is called.
   */
  enter(runIds: ActiveTransaction['runIds']): () => void {
    const active: ActiveTransaction = { runIds, ended: false };
    this.#active.enterWith(active);
    return () => void (active.ended = true);
  }

  /** Runs the callback; what it throws is given back, for the caller to judge what it rests on. */
  async callBack<T>(
    runIds: readonly string[],
    staging: Staging,
    work: (writer: RunWriter) => Promise<T>,
  ): Promise<{ readonly result: T } | { readonly error: unknown }> {
    const active: ActiveTransaction = { runIds: new Set(runIds), ended: false };
    try {
      return { result: await this.#active.run(active, () => work(staging)) };
    } catch (error) {
      return { error };
    } finally {
      active.ended = true;
      staging.end();
    }
  }
}

/** What a staging asks of the writer that will commit it. */
interface Ground {
  context(): Context;
  freshId(): string;
  refuseUnwritable(): void;
  /** The stored event of the run with this key, where its state does not know it. */
  eventOfKey?(runId: string, key: string): Promise<EventRow | undefined>;
}

/** Copies of some runs on which a transaction works; nothing leaves it before it is committed. */
export class Staging implements RunWriter {
  readonly changes: Change[] = [];
  readonly #ground: Ground;
  readonly #runs: ReadonlyMap<string, { readonly state: RunState }>;
  readonly #lives: ReadonlyMap<string, number>;
  /** The last write that something is asked for, or that comes after such a one. */
  #turn: Promise<void> | undefined;
  #ended = false;

  constructor(ground: Ground, runs: ReadonlyMap<string, { readonly state: RunState }>) {
    this.#ground = ground;
    this.#runs = runs;
    this.#lives = new Map([...runs].map(([id, { state }]) => [id, state.life]));
  }

  async write<T>(
    runId: string,
    decide: Decide,
    answer: (state: RunState) => T,
    eventKey?: string,
  ): Promise<T> {
    const stage = () => this.#stage(runId, decide, answer);
    const learning = this.#learn(this.#stateOf(runId), runId, eventKey);
    if (learning === undefined && this.#turn === undefined) return stage();
    // What was called later comes later, whoever has something to ask.
    const turn = Promise.all([this.#turn, learning]).then(stage);
    this.#turn = turn.then(ignore, ignore);
    return turn;
  }

  #stage<T>(runId: string, decide: Decide, answer: (state: RunState) => T): T {
    const state = this.#stateOf(runId);
    const changes = decide(state, this.#ground.context());
    for (const change of changes) state.apply(change);
    this.changes.push(...changes);
    return answer(state);
  }

  /**
   * Sees to it that the state knows the stored event of this key. The commit would find out too, but
   * the callback may throw for what it is told, and then nothing is committed.
   */
  #learn(state: RunState, runId: string, key: string | undefined): Promise<void> | undefined {
    const ground = this.#ground;
    // Of a run that was deleted here, or was not there, no stored event counts.
    const isStored = () => state.run !== undefined && state.life === this.#lives.get(runId);
    if (key === undefined || ground.eventOfKey === undefined || !isStored()) return undefined;
    if (state.eventByKey.get(key) !== undefined) return undefined;
    return ground.eventOfKey(runId, key).then((event) => {
      if (event !== undefined && isStored()) state.eventByKey.set(key, event);
      return undefined;
    });
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
    this.#ground.refuseUnwritable();
  }

  freshId(): string {
    return this.#ground.freshId();
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

/** What one try came to; `conflict`: another writer came in between, and nothing was stored. */
export type Outcome<T> = { readonly result: T } | { readonly conflict: unknown };

/** Tries until no other writer comes in between; then the last conflict is thrown. */
export async function untilUndisturbed<T>(attempt: () => Promise<Outcome<T>>): Promise<T> {
  let conflict: unknown;
  for (let tries = 0; tries < LIMITS.transactionTriesMax; tries++) {
    const outcome = await attempt();
    if ('result' in outcome) return outcome.result;
    conflict = outcome.conflict;
  }
  throw conflict;
}

export function movedRuns(): StoreError {
  const message =
    'other writers moved the runs at every try: hold the callback shorter, or try later';
  return new StoreError('VERSION_CONFLICT', message);
}

export function checkRunIds(value: string | readonly string[]): readonly string[] {
  const ids = typeof value === 'string' ? [value] : checkList(value, 'runIds', LIMITS.listMax);
  if (ids.length === 0) throw invalid('runIds', 'must name at least one run');
  return [...new Set(ids.map((id, i) => checkId(id, `runIds[${i}]`)))];
}

const RUN_CALLS = ['create', 'get', 'update', 'reset', 'retry', 'delete'] as const;
const STEP_CALLS = ['create', 'get', 'list', 'ready', 'update', 'reset', 'retry'] as const;
const ARTIFACT_CALLS = ['put', 'get', 'update', 'delete'] as const;

/** What a callback is given: the services also have calls that would see past the staging. */
export function transactionOver(services: Transaction): Transaction {
  const { runs, steps, events, artifacts } = services;
  return {
    runs: only<Transaction['runs']>(runs, RUN_CALLS),
    steps: only<Transaction['steps']>(steps, STEP_CALLS),
    events: only<Transaction['events']>(events, ['append']),
    artifacts: only<Transaction['artifacts']>(artifacts, ARTIFACT_CALLS),
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

function ignore(): void {}
