import { clearImmediate, setImmediate } from 'node:timers';
import { isStoreError, StoreError } from '../../errors.ts';
import { checkId } from '../../model/check.ts';
import type { Change } from '../../model/change.ts';
import type { Context } from '../../model/decision.ts';
import type { EventRow, RunRow } from '../../model/entities.ts';
import { uuidv7 } from '../../model/ids.ts';
import { EMPTY_RUN } from '../../model/represent.ts';
import type { RunState } from '../../model/runState.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { ActiveTransactions } from '../commands/staging.ts';
import type { Decide, RunWriter } from '../commands/writer.ts';
import { Gathering } from './gathering.ts';
import type { LogHead } from './head.ts';
import { type Job, MOVED } from './job.ts';
import type { BatchOutcome, CommitLog } from './log.ts';
import { type CachedRun, intact, type RunCache } from './runCache.ts';
import type { RunReader } from './runReader.ts';

export interface CommitterParts {
  readonly log: CommitLog;
  readonly reader: RunReader;
  /** The same, past the line of reads: what a commit rests on. */
  readonly direct: RunReader;
  readonly cache: RunCache;
  readonly clock: Clock;
  readonly random: Random;
  readonly head: LogHead;
  /** What is decided and not yet in the database, at most; a larger commit goes alone. */
  readonly batchBytesMax: number;
  /** After `before`, the position of a commit. */
  readonly onCommitted: (before: number, commits: number) => void;
  /** Why nothing can be written, if so. */
  readonly refusal: () => StoreError | undefined;
  /** Whether the caller is inside of a transaction that this write would wait for, and it for the write. */
  readonly isHeld: () => boolean;
}

const UUID_BYTES = 16;
const BATCH_JOBS_MAX = 512;

/**
 * The way of every write: gathered with those of other callers, decided on the runs as they were
 * loaded, sent to the database as one batch, and decided again where another process was faster.
 */
export class DatabaseCommitter implements RunWriter {
  readonly transactions = new ActiveTransactions();
  readonly #parts: CommitterParts;
  #queue: Job[] = [];
  #pumping: Promise<void> | undefined;
  #closed = false;
  #lastAt = 0;
  /** What the next batch decides on, first of all. */
  #reloaded: ReadonlyMap<string, CachedRun> = new Map();
  commits = 0;
  batches = 0;
  bytes = 0;

  constructor(parts: CommitterParts) {
    this.#parts = parts;
  }

  /** One write, from call to database. Resolves when it is committed there. */
  async write<T>(
    runId: string,
    decide: Decide,
    answer: (state: RunState) => T,
    eventKey?: string,
  ): Promise<T> {
    this.#refuseWrite(runId);
    return (await this.submit({
      runIds: [runId],
      eventKey,
      decide: (states, context) => decide(states(runId), context),
      answer: (states) => answer(states(runId)),
    })) as T;
  }

  async delete(runId: string, decide: Decide): Promise<void> {
    this.#refuseWrite(runId);
    await this.submit({
      runIds: [runId],
      isDeletion: true,
      decide: (states, context) => decideDeletion(states(runId), decide, context),
      answer: () => undefined,
    });
  }

  #refuseWrite(runId: string): void {
    checkId(runId, 'runId');
    this.transactions.refuseNested([runId]);
    this.refuseUnwritable();
  }

  async read<T>(runId: string, answer: (state: RunState) => T): Promise<T> {
    checkId(runId, 'runId');
    this.refuseClosed();
    const [run] = await this.current([runId]);
    return answer((run as CachedRun).state);
  }

  async readRun(runId: string): Promise<RunRow | undefined> {
    checkId(runId, 'runId');
    this.refuseClosed();
    return this.#parts.reader.row(runId);
  }

  /** The runs as the database has them now. */
  async current(runIds: readonly string[]): Promise<readonly CachedRun[]> {
    const { cache, reader } = this.#parts;
    const known = new Map(runIds.map((id) => [id, cache.get(id)]));
    const heads = await reader.heads(runIds);
    const stale = runIds.filter((id) => known.get(id)?.head !== (heads.get(id) ?? 0));
    const loaded = await this.#load(reader, stale);
    return runIds.map((id) => intact((loaded.get(id) ?? known.get(id)) as CachedRun));
  }

  async #load(
    reader: RunReader,
    runIds: readonly string[],
  ): Promise<ReadonlyMap<string, CachedRun>> {
    const loaded = await reader.load(runIds);
    for (const [id, run] of loaded) if (run.damage === undefined) this.#parts.cache.put(id, run);
    return loaded;
  }

  submit(job: Omit<Job, 'resolve' | 'reject'>): Promise<unknown> {
    // Asked here, where the caller is: the batch has writes of others too, and they are not to blame.
    if (this.#parts.isHeld()) return Promise.reject(heldByCaller(job));
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...job, resolve, reject });
      this.#pumping ??= this.#pump();
    });
  }

  /** One batch at a time; while it is under way the next one gathers. */
  async #pump(): Promise<void> {
    // Callers of the same moment go together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const jobs = this.#queue.splice(0, BATCH_JOBS_MAX);
      try {
        this.#queue.unshift(...(await this.#commit(jobs)));
      } catch (error) {
        this.#reject(jobs, error);
      }
    }
    // In the tick of that look: who comes later finds nobody at work, and begins.
    this.#pumping = undefined;
  }

  /** Returns the jobs that are still to be decided, some of them again. */
  async #commit(given: readonly Job[]): Promise<readonly Job[]> {
    const { log, batchBytesMax } = this.#parts;
    const known = await this.#known(given);
    const at = this.#now();
    const gathering = new Gathering(
      (id) => known.get(id) as CachedRun,
      batchBytesMax,
      log.commitBytesMax,
    );
    let count = 0;
    while (count < given.length && !gathering.isFull) {
      const job = given[count++] as Job;
      if (isRefused(job, known, gathering)) continue;
      gathering.add(job, this.#contextAt(at));
    }
    const { batch } = gathering;
    // A database that is waited for leaves the time to make the answers, once the batch is sent.
    const answering = setImmediate(() => gathering.answer());
    let outcome: BatchOutcome;
    try {
      outcome = await log.commit(batch, at);
    } catch (error) {
      gathering.tellMoved();
      this.#reject(given.slice(0, count), error);
      return given.slice(count);
    } finally {
      clearImmediate(answering);
    }
    this.#lastAt = Math.max(this.#lastAt, outcome.at);
    // The database answers for the keys of its events; what was asked of it was for this batch.
    for (const { state } of known.values()) state.eventByKey.clear();
    const { runs, commits, bytes, failed, tell } = gathering.settle(outcome);
    for (const [id, run] of runs) this.#parts.cache.put(id, run);
    this.commits += commits;
    this.bytes += bytes;
    this.batches++;
    if (commits > 0) this.committed(outcome.before, commits);
    for (const told of tell) told();
    gathering.tellMoved();
    if (failed.length === 0) return given.slice(count);
    return [...(await this.#reload(failed)), ...given.slice(count)];
  }

  /** So many commits are in the database, after `before`. */
  committed(before: number, commits: number): void {
    const { head, onCommitted } = this.#parts;
    head.made(before + commits);
    onCommitted(before, commits);
  }

  /** The runs of these jobs as far as they are known, and else as they are in the database. */
  async #known(jobs: readonly Job[]): Promise<ReadonlyMap<string, CachedRun>> {
    const reloaded = this.#reloaded;
    this.#reloaded = new Map();
    const known = new Map<string, CachedRun>();
    const missing = new Set<string>();
    for (const { runIds } of jobs) {
      for (const id of runIds) {
        if (known.has(id)) continue;
        const run = reloaded.get(id) ?? this.#parts.cache.get(id);
        if (run === undefined) missing.add(id);
        else known.set(id, run);
      }
    }
    if (missing.size === 0) return known;
    const loaded = await this.#load(this.#parts.direct, [...missing]);
    for (const [id, run] of loaded) known.set(id, run);
    return known;
  }

  /** What was known of their runs may be wrong by now. */
  #reject(jobs: readonly Job[], error: unknown): void {
    for (const { runIds } of jobs) for (const id of runIds) this.#parts.cache.forget(id);
    for (const job of jobs) job.reject(error);
  }

  /**
   * The runs of jobs that were turned away, with the events of the keys that they want. Returns the
   * jobs that can be decided again; the others are told.
   */
  async #reload(failed: readonly Job[]): Promise<readonly Job[]> {
    for (const job of failed) if (job.heads !== undefined) job.resolve(MOVED);
    const again = failed.filter(({ heads }) => heads === undefined);
    const ids = new Set(failed.flatMap(({ runIds }) => runIds));
    try {
      const loaded = await this.#load(this.#parts.direct, [...ids]);
      // Kept here: a cache that has no room for them would have them turned away for ever.
      this.#reloaded = loaded;
      return await this.#learn(again, loaded);
    } catch (error) {
      this.#reject(again, error);
      return [];
    }
  }

  /** Jobs of a run with a damaged event are told so, and the others are returned. */
  async #learn(
    jobs: readonly Job[],
    loaded: ReadonlyMap<string, CachedRun>,
  ): Promise<readonly Job[]> {
    const wanted = jobs.flatMap(({ runIds: [run = ''], eventKey: key }) =>
      key === undefined ? [] : { run, key },
    );
    if (wanted.length === 0) return jobs;
    try {
      for (const { run, event } of await this.#parts.direct.eventsByKey(wanted)) {
        if (event.idempotencyKey === null) continue;
        loaded.get(run)?.state.eventByKey.set(event.idempotencyKey, event);
      }
      return jobs;
    } catch (error) {
      if (!isStoreError(error, 'DATA_CORRUPT')) throw error;
      const wants = (job: Job) => job.eventKey !== undefined && job.runIds[0] === error.id;
      const others = jobs.filter((job) => !wants(job));
      if (others.length === jobs.length) throw error;
      this.#reject(jobs.filter(wants), error);
      return this.#learn(others, loaded);
    }
  }

  /** For a transaction, which wants to know before it commits. */
  async eventOfKey(runId: string, key: string): Promise<EventRow | undefined> {
    const [found] = await this.#parts.reader.eventsByKey([{ run: runId, key }]);
    return found?.event;
  }

  context(): Context {
    return this.#contextAt(this.#now());
  }

  #contextAt(ms: number): Context {
    return { at: new Date(ms).toISOString(), freshId: () => this.freshId() };
  }

  /** Somebody has seen a commit of that time. Milliseconds since 1970. */
  saw(ms: number): void {
    this.#lastAt = Math.max(this.#lastAt, ms);
  }

  /** Never falls behind a commit that this process has seen, of whomever. */
  #now(): number {
    const { clock, head, reader, direct } = this.#parts;
    const seenMs = Math.max(head.atMs, reader.latestMs, direct.latestMs);
    this.#lastAt = Math.max(this.#lastAt, seenMs, clock.now());
    return this.#lastAt;
  }

  freshId(): string {
    return uuidv7(this.#parts.clock.now(), this.#parts.random.bytes(UUID_BYTES));
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  refuseClosed(): void {
    if (this.#closed) throw new StoreError('STORE_CLOSED', 'the store has been closed');
  }

  refuseUnwritable(): void {
    this.refuseClosed();
    const refusal = this.#parts.refusal();
    if (refusal !== undefined) throw refusal;
  }

  /** Refuses what comes; waits for what was accepted. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#pumping;
  }
}

/** Of a run that cannot be read the job is told so; its deletion goes on, and what comes after that. */
function isRefused(job: Job, known: ReadonlyMap<string, CachedRun>, gathering: Gathering): boolean {
  if (job.isDeletion === true) return false;
  for (const id of job.runIds) {
    const damage = known.get(id)?.damage;
    if (damage === undefined || gathering.deletes(id)) continue;
    job.reject(damage);
    return true;
  }
  return false;
}

function heldByCaller({ runIds: [id = ''] }: Pick<Job, 'runIds'>): StoreError {
  const message =
    'the transaction around this call has the file of the store: write through `store.enlist(tx)`';
  return new StoreError('NESTED_TRANSACTION', message, { id });
}

/** Where not even its version can be read, a condition on that cannot be checked. */
function decideDeletion(state: RunState, decide: Decide, context: Context): readonly Change[] {
  try {
    return decide(state, context);
  } catch (refusal) {
    const { id = '', version } = state.run ?? {};
    if (version !== EMPTY_RUN.version || !isStoreError(refusal, 'VERSION_CONFLICT')) throw refusal;
    const message = `a row of run ${id} is damaged, and its version unknown`;
    throw new StoreError('DATA_CORRUPT', message, { id, cause: refusal });
  }
}
