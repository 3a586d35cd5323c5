import { joinTransaction, type Participant, type Queryable } from '../../db.ts';
import { StoreError } from '../../errors.ts';
import { checkId } from '../../model/check.ts';
import type { RunRow } from '../../model/entities.ts';
import type { RunState } from '../../model/runState.ts';
import { movedRuns, Staging } from '../commands/staging.ts';
import type { Identity } from '../commands/cursor.ts';
import type { Decide, RunWriter } from '../commands/writer.ts';
import type { DatabaseCommitter } from './committer.ts';
import { Gathering } from './gathering.ts';
import type { BatchOutcome, CommitLog } from './log.ts';
import { type CachedRun, intact, type RunCache } from './runCache.ts';
import type { RunReader } from './runReader.ts';

export interface EnlistedParts {
  readonly tx: Queryable;
  /** Asks in that transaction. */
  readonly reader: RunReader;
  readonly log: CommitLog;
  readonly committer: DatabaseCommitter;
  readonly cache: RunCache;
  /** Whether nobody else can write while the transaction is open. */
  readonly locksAll: boolean;
  readonly identity: Identity;
}

const FOREIGN = 'tx is a transaction of another database than that of the store';
const EVERY_RUN = { has: () => true };

/**
 * A commit that goes along with a transaction of its caller: staged on the runs as that transaction
 * sees them, sent directly before its COMMIT, and so there exactly if that is. The head of the log is
 * held from then on only: not while the callback runs.
 */
export class Enlisted implements RunWriter, Participant {
  readonly #parts: EnlistedParts;
  readonly #loaded = new Map<string, CachedRun>();
  readonly #forks = new Map<string, { readonly state: RunState }>();
  readonly #staging: Staging;
  #turn: Promise<unknown> = Promise.resolve();
  #isAtHome = false;
  #outcome: BatchOutcome | undefined;
  readonly #leave: () => void;

  constructor(parts: EnlistedParts) {
    this.#parts = parts;
    const { committer } = parts;
    // Keys of events are asked for here, where the transaction is.
    this.#staging = new Staging(
      {
        context: () => committer.context(),
        freshId: () => committer.freshId(),
        refuseUnwritable: () => committer.refuseUnwritable(),
      },
      this.#forks,
    );
    joinTransaction(parts.tx, this);
    // A write past it would wait for it, and it for that write: on SQLite, of whichever run.
    this.#leave = committer.transactions.enter(parts.locksAll ? EVERY_RUN : this.#loaded);
  }

  write<T>(
    runId: string,
    decide: Decide,
    answer: (state: RunState) => T,
    eventKey?: string,
  ): Promise<T> {
    return this.#inTurn(async () => {
      const state = await this.#load(runId);
      if (eventKey !== undefined) await this.#learn(state, runId, eventKey);
      return this.#staging.write(runId, decide, answer);
    });
  }

  delete(runId: string, decide: Decide): Promise<void> {
    return this.write(runId, decide, () => undefined);
  }

  read<T>(runId: string, answer: (state: RunState) => T): Promise<T> {
    return this.#inTurn(async () => answer(await this.#load(runId)));
  }

  readRun(runId: string): Promise<RunRow | undefined> {
    return this.#inTurn(async () => (await this.#load(runId)).run);
  }

  refuseUnwritable(): void {
    this.#staging.refuseUnwritable();
  }

  freshId(): string {
    return this.#staging.freshId();
  }

  readonly refusal = movedRuns;

  async prepare(): Promise<boolean> {
    await this.#turn;
    this.#staging.end();
    this.#leave();
    const { log, tx, committer } = this.#parts;
    const runIds = [...this.#loaded.keys()];
    if (runIds.length === 0) return true;
    const gathering = new Gathering(
      (id) => this.#loaded.get(id) as CachedRun,
      Infinity,
      log.commitBytesMax,
    );
    const { changes } = this.#staging;
    const ignore = () => undefined;
    let refusal: { readonly error: unknown } | undefined;
    const reject = (error: unknown) => void (refusal = { error });
    const job = { runIds, decide: () => changes, answer: ignore, resolve: ignore, reject };
    gathering.add(job, committer.context());
    const outcome = await log.commitIn(tx, gathering.batch, Date.parse(committer.context().at));
    if (outcome.passed.size === 0) return false;
    for (const told of gathering.settle(outcome).tell) told();
    // What is too large for one commit, say: the transaction of the caller must not be without it.
    if (refusal !== undefined) throw refusal.error;
    this.#outcome = changes.length > 0 ? outcome : undefined;
    return true;
  }

  committed(): void {
    const { cache, committer } = this.#parts;
    for (const id of this.#loaded.keys()) cache.forget(id);
    if (this.#outcome !== undefined) committer.committed(this.#outcome.before, 1);
  }

  async #load(runId: string): Promise<RunState> {
    const known = this.#forks.get(checkId(runId, 'runId'));
    if (known !== undefined) return known.state;
    if (!this.#isAtHome) await this.#refuseForeign();
    const loaded = intact((await this.#parts.reader.load([runId])).get(runId) as CachedRun);
    const state = loaded.state.fork();
    this.#loaded.set(runId, loaded);
    this.#forks.set(runId, { state });
    return state;
  }

  /** In the database of another store it would be stored, and never be found. */
  async #refuseForeign(): Promise<void> {
    const { tx, identity } = this.#parts;
    const found = await tx.query('SELECT store_id FROM holdfast_store').catch((cause: unknown) => {
      throw new StoreError('INVALID_ARGUMENT', FOREIGN, { cause });
    });
    if (found.rows[0]?.['store_id'] !== identity.storeId) {
      throw new StoreError('INVALID_ARGUMENT', FOREIGN);
    }
    this.#isAtHome = true;
  }

  /** The stored event of that key, unless the run was deleted here. */
  async #learn(state: RunState, runId: string, key: string): Promise<void> {
    const isSame = state.life === this.#loaded.get(runId)?.state.life;
    if (!isSame || state.eventByKey.get(key) !== undefined) return;
    const [found] = await this.#parts.reader.eventsByKey([{ run: runId, key }]);
    if (found !== undefined) state.eventByKey.set(key, found.event);
  }

  /** One after the other, as they were called: each sees what those before it have staged. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
