import { type Dialect, joinTransaction, type Participant, type Queryable } from '../../db.ts';
import { isStoreError, StoreError } from '../../errors.ts';
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
  readonly dialect: Dialect;
  readonly identity: Identity;
}

const FOREIGN = 'tx is a transaction of another database than that of the store';
const IS_READ_ONLY = {
  postgres: "CASE current_setting('transaction_read_only') WHEN 'on' THEN 1 ELSE 0 END",
  sqlite: '(SELECT query_only FROM pragma_query_only)',
};
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
  /** Once it is known that the transaction is one of the database of the store. */
  #home: { readonly isReadOnly: boolean } | undefined;
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
    const held = parts.dialect === 'sqlite' ? EVERY_RUN : this.#loaded;
    this.#leave = committer.transactions.enter(held);
  }

  write<T>(
    runId: string,
    decide: Decide,
    answer: (state: RunState) => T,
    eventKey?: string,
  ): Promise<T> {
    return this.#inTurn(async () => {
      const state = await this.#load(runId);
      if (this.#home?.isReadOnly === true) throw readOnly(runId);
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
    const at = Date.parse(committer.context().at);
    const { batch } = gathering;
    const isReadOnly = this.#home?.isReadOnly === true;
    const outcome = await (isReadOnly ? log.check(tx, batch, at) : log.commitIn(tx, batch, at));
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
    if (this.#outcome === undefined) return;
    committer.saw(this.#outcome.at);
    committer.committed(this.#outcome.before, 1);
  }

  async #load(runId: string): Promise<RunState> {
    const known = this.#forks.get(checkId(runId, 'runId'));
    if (known !== undefined) return known.state;
    this.#home ??= await this.#findHome();
    const { reader, committer } = this.#parts;
    const loaded = intact((await reader.load([runId])).get(runId) as CachedRun);
    // What is decided on it is not earlier.
    committer.saw(reader.latestMs);
    const state = loaded.state.fork();
    this.#loaded.set(runId, loaded);
    this.#forks.set(runId, { state });
    return state;
  }

  /** In the database of another store it would be stored, and never be found. */
  async #findHome(): Promise<{ readonly isReadOnly: boolean }> {
    const { tx, identity, dialect } = this.#parts;
    const sql = `SELECT store_id, ${IS_READ_ONLY[dialect]} AS read_only FROM holdfast_store`;
    const { rows } = await tx.query(sql).catch((cause: unknown) => {
      // There is no such table.
      if (!isStoreError(cause, 'QUERY_FAILED')) throw cause;
      throw new StoreError('INVALID_ARGUMENT', FOREIGN, { cause });
    });
    if (rows[0]?.['store_id'] !== identity.storeId) {
      throw new StoreError('INVALID_ARGUMENT', FOREIGN);
    }
    return { isReadOnly: rows[0]['read_only'] === 1 };
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

function readOnly(id: string): StoreError {
  const message = 'tx is a read-only transaction: begin one without `readOnly` to write';
  return new StoreError('STORE_READ_ONLY', message, { id });
}
