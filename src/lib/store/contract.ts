import type {
  ArtifactPatch,
  NewArtifact,
  NewEvent,
  NewRun,
  NewStep,
  ResetOptions,
  RunPatch,
  StepPatch,
  WriteOptions,
} from '../model/commands.ts';
import type { Queryable } from '../db.ts';
import type { MetadataValue } from '../model/artifactFacts.ts';
import type {
  Artifact,
  ArtifactVersion,
  Run,
  RunEvent,
  RunStatus,
  Step,
  StepStatus,
} from '../model/entities.ts';
import type { PublicChange } from '../model/publicChange.ts';

/** One page of a list. `next` is the cursor of the page after it, `null` at the end. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/** Awaited it is the first page; iterated with `for await` it is every item of every page. */
export interface Listing<T> extends PromiseLike<Page<T>>, AsyncIterable<T> {}

export interface PageOptions {
  /** 1 to 1,000, default 50. */
  readonly limit?: number | undefined;
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
}

/** All conditions must hold. Times are: after, inclusive; before, exclusive. */
export interface RunFilter extends PageOptions {
  /** One, or any of several; not an empty list. */
  readonly status?: RunStatus | readonly RunStatus[] | undefined;
  readonly workflow?: string | undefined;
  readonly project?: string | undefined;
  readonly parentRunId?: string | undefined;
  readonly parentStepId?: string | undefined;
  /** Every one of these tags has this value. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly createdAfter?: Date | undefined;
  readonly createdBefore?: Date | undefined;
  readonly endedAfter?: Date | undefined;
  readonly endedBefore?: Date | undefined;
}

export interface StepFilter extends PageOptions {
  readonly status?: StepStatus | readonly StepStatus[] | undefined;
  readonly parentStepId?: string | undefined;
}

/**
 * Every promise of a write resolves when the write is durable: it outlives the process and, as far
 * as the disk is honest, the power. A rejection means that nothing of it was stored, except with
 * `OUTCOME_UNKNOWN`.
 */
export interface Runs {
  create(run: NewRun): Promise<Run>;
  get(runId: string): Promise<Run>;
  /** Newest first, by creation; a run created while paging never shifts a page. */
  list(filter?: RunFilter): Listing<Run>;
  update(runId: string, patch: RunPatch, options?: WriteOptions): Promise<Run>;
  /** Leaves any terminal status for `queued`: raises `attempt`, clears what the attempt set. */
  reset(runId: string, options?: ResetOptions): Promise<Run>;
  /** `reset`, but refused for what has succeeded. */
  retry(runId: string, options?: ResetOptions): Promise<Run>;
  /** Removes the run with its steps, events and artifacts. Whatever its status. */
  delete(runId: string, options?: WriteOptions): Promise<void>;
}

export interface Steps {
  create(runId: string, step: NewStep): Promise<Step>;
  get(runId: string, stepId: string): Promise<Step>;
  /** In order of creation. */
  list(runId: string, filter?: StepFilter): Listing<Step>;
  /** The queued steps whose dependencies have all succeeded and whose time has come. */
  ready(runId: string): Promise<readonly Step[]>;
  update(runId: string, stepId: string, patch: StepPatch, options?: WriteOptions): Promise<Step>;
  /** Leaves any terminal status for `queued`; steps skipped on its account are queued again. */
  reset(runId: string, stepId: string, options?: ResetOptions): Promise<Step>;
  /** `reset`, but refused for what has succeeded or was skipped. */
  retry(runId: string, stepId: string, options?: ResetOptions): Promise<Step>;
}

export interface EventListOptions extends PageOptions {
  /** Events with a greater `seq`. Default: 0. */
  readonly after?: number | undefined;
}

export interface EventTailOptions {
  /** Events with a greater `seq`. Default: 0. */
  readonly after?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Events {
  append(runId: string, event: NewEvent): Promise<RunEvent>;
  /** Ascending by `seq`. */
  list(runId: string, options?: EventListOptions): Listing<RunEvent>;
  /**
   * The stored events, then each new one once it is durable. It begins with its first `next()`,
   * which rejects with `NOT_FOUND`, `STORE_CLOSED` or `INVALID_ARGUMENT`. Ends without an error when
   * `signal` aborts, the store closes or the run is deleted.
   */
  tail(runId: string, options?: EventTailOptions): AsyncIterable<RunEvent>;
}

export type ArtifactBody =
  Uint8Array | string | AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>;

/** What a value of metadata is compared with: it is equal, or all of what is given holds. */
export type MetadataCondition =
  | MetadataValue
  | {
      readonly eq?: MetadataValue | undefined;
      readonly in?: readonly MetadataValue[] | undefined;
      /** Numbers are compared with numbers, texts with texts, by their code points. */
      readonly gt?: number | string | undefined;
      readonly gte?: number | string | undefined;
      readonly lt?: number | string | undefined;
      readonly lte?: number | string | undefined;
      /** Whether there is a value at all. */
      readonly exists?: boolean | undefined;
    };

/** All conditions must hold. Times are: after, inclusive; before, exclusive. */
export interface ArtifactFilter extends PageOptions {
  /** A pattern: `*` stands for any characters, `?` for one. */
  readonly name?: string | undefined;
  /** A pattern, such as `image/*`. */
  readonly mediaType?: string | undefined;
  readonly digest?: string | undefined;
  readonly alias?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /**
   * By path: `'a.b'` is `b` inside of `a`; of a list any item counts. Texts of more than 256 characters
   * can be compared for equality alone.
   */
  readonly metadata?: Readonly<Record<string, MetadataCondition>> | undefined;
  /** Bytes. */
  readonly size?:
    { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
  readonly createdAfter?: Date | undefined;
  readonly createdBefore?: Date | undefined;
  /** Of one of these runs; not an empty list. */
  readonly runId?: string | readonly string[] | undefined;
  /** Of runs of which this holds. */
  readonly run?:
    Pick<RunFilter, 'status' | 'workflow' | 'project' | 'parentRunId' | 'tags'> | undefined;
  /** The newest version of each name in its run, where it is one that is asked for. */
  readonly newestOnly?: boolean | undefined;
}

export interface ExpireOptions {
  /** Say what would be deleted, and delete nothing. Default: false. */
  readonly dryRun?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LineageOptions extends WhichVersion {
  /** Default: `both`. */
  readonly direction?: 'ancestors' | 'descendants' | 'both' | undefined;
  /** How many steps away, at most. Default: all the way. */
  readonly depth?: number | undefined;
}

/** `artifact` is null for what is not there any more, with its run; deleted versions are there. */
export interface LineageNode extends ArtifactVersion {
  readonly artifact: Artifact | null;
}

export interface Lineage {
  readonly root: ArtifactVersion;
  /** Beginning with the root, nearer ones first. */
  readonly nodes: readonly LineageNode[];
  /** From what it was made of to what was made. */
  readonly edges: readonly { readonly from: ArtifactVersion; readonly to: ArtifactVersion }[];
}

/** Which version of an artifact. Default: the newest that is not deleted. */
export interface WhichVersion {
  readonly version?: number | undefined;
  /** The version that this name points at; `latest` is the default. */
  readonly alias?: string | undefined;
}

export interface OpenArtifactOptions extends WhichVersion {
  /** Bytes from `start` up to, not including, `end`; default: from 0, to the end of the artifact. */
  readonly range?:
    { readonly start?: number | undefined; readonly end?: number | undefined } | undefined;
}

export interface DeleteArtifactOptions extends WhichVersion, WriteOptions {
  /** Every version of the name. */
  readonly allVersions?: boolean | undefined;
}

export interface ArtifactListOptions extends PageOptions {
  /** All versions instead of the newest of each name. */
  readonly allVersions?: boolean | undefined;
  /** Deleted versions, too. */
  readonly deleted?: boolean | undefined;
}

export interface Artifacts {
  /**
   * Streams `body` to disk and names it. A new version unless the newest has the same bytes: that one
   * then takes the fields that are given, and keeps its step and its parents (`ALREADY_EXISTS` for
   * other parents). Resolves when bytes and name are durable. `NOT_FOUND` for a parent that is not there.
   */
  put(runId: string, artifact: NewArtifact & { readonly body: ArtifactBody }): Promise<Artifact>;
  get(runId: string, name: string, which?: WhichVersion): Promise<Artifact>;
  /**
   * The bytes, streamed; a digest that does not match ends the stream with `DATA_CORRUPT`. Those of a
   * range alone cannot be compared with it.
   */
  open(runId: string, name: string, options?: OpenArtifactOptions): AsyncIterable<Uint8Array>;
  /** Replaces the fields that are given. Aliases that other versions had move here, in one commit. */
  update(
    runId: string,
    name: string,
    patch: ArtifactPatch,
    options?: WhichVersion & WriteOptions,
  ): Promise<Artifact>;
  /**
   * The version stays known as deleted, and its number is not given again; its bytes go when nothing
   * names them. `ARTIFACT_HELD` while it is held.
   */
  delete(runId: string, name: string, options?: DeleteArtifactOptions): Promise<void>;
  /**
   * Artifacts of all runs, newest first, deleted ones aside; those of one millisecond in any order.
   * What is asked for is a value bound to a statement, never a part of one.
   */
  query(filter?: ArtifactFilter): Listing<Artifact>;
  /**
   * What a version was made from, and what was made from it, over all runs. `LIMIT_EXCEEDED` where that
   * is more than 10,000.
   */
  lineage(runId: string, name: string, options?: LineageOptions): Promise<Lineage>;
  /**
   * Deletes the versions of all runs whose time to live has ended, held ones aside, a commit for each
   * run; resolves with what it deleted. May be stopped at any time, and called again.
   */
  expire(options?: ExpireOptions): Promise<readonly ArtifactVersion[]>;
  /** By name and version. */
  list(runId: string, options?: ArtifactListOptions): Listing<Artifact>;
}

/** What a transaction offers: it reads its own writes, and nothing is stored until it returns. */
export interface Transaction {
  readonly runs: Pick<Runs, 'create' | 'get' | 'update' | 'reset' | 'retry' | 'delete'>;
  readonly steps: Pick<Steps, 'create' | 'get' | 'list' | 'ready' | 'update' | 'reset' | 'retry'>;
  readonly events: Pick<Events, 'append'>;
  readonly artifacts: Pick<Artifacts, 'put' | 'get' | 'update' | 'delete'>;
}

/** A commit of the log as `watch` gives it: whole, in order, once. */
export interface Commit {
  /** Opaque cursor: give it to `watch({ after })`. */
  readonly position: string;
  readonly at: Date;
  readonly changes: readonly PublicChange[];
}

export interface WatchOptions {
  /** Commits after this cursor. Default: those that become durable from now on. */
  readonly after?: string | undefined;
  /** Only commits that touch this run. */
  readonly runId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Pin {
  readonly name: string;
  /** Nothing of the log after this cursor is removed. */
  readonly position: string;
  /** Once more than this much log is held, the pin is broken and the log may go. Bytes. */
  readonly bytesMax: number;
  readonly broken: boolean;
}

/** A reader's claim on the log (a backup, a replica). Durable when the promise resolves. */
export interface Pins {
  /** Default position: now. The same name again is `ALREADY_EXISTS`. */
  create(pin: {
    readonly name: string;
    readonly after?: string | undefined;
    readonly bytesMax?: number | undefined;
  }): Promise<Pin>;
  advance(name: string, after: string): Promise<Pin>;
  release(name: string): Promise<void>;
  list(): Promise<readonly Pin[]>;
}

/** Figures of a store; sizes in bytes, counts since it was opened. */
export interface StoreStats {
  readonly location: string;
  readonly storeId: string;
  readonly position: string;
  readonly runs: Readonly<Record<RunStatus, number>>;
  readonly journal: { readonly segments: number; readonly bytes: number };
  readonly memory: { readonly runs: number; readonly bytes: number };
  readonly writes: {
    readonly commits: number;
    readonly batches: number;
    readonly bytes: number;
  };
  /** What opening found and did. */
  readonly recovery: RecoveryReport;
}

export interface RecoveryReport {
  /** Milliseconds. */
  readonly durationMs: number;
  /** Whether the last owner had closed the store. */
  readonly clean: boolean;
  readonly commitsReplayed: number;
  /** Commits copied into the new segment because their durability was not proven. */
  readonly commitsCopied: number;
  /** Bytes of a torn, never acknowledged tail that were left behind. */
  readonly bytesLeftBehind: number;
  readonly indexRebuilt: boolean;
  /** Unfinished temporary files that were removed. */
  readonly temporariesRemoved: number;
}

/** One thing that is wrong, and where. */
export interface Finding {
  readonly code: 'JOURNAL_CORRUPT' | 'DATA_CORRUPT';
  readonly file: string;
  readonly byte?: number;
  readonly message: string;
}

export interface VerifyReport {
  readonly findings: readonly Finding[];
  readonly commits: number;
  readonly runs: number;
  readonly events: number;
  readonly blobs: number;
  readonly bytes: number;
}

/** What a repair did, and where it kept what it took out. */
export interface RepairReport {
  /** The folder with the journal as it was; `null` when nothing was wrong with it. */
  readonly keptIn: string | null;
  readonly segmentsKept: number;
  /** The last commit that still stands. */
  readonly commitsKept: number;
  /** Commits that can still be read behind the damage, in the kept copy, and are not served. */
  readonly commitsDropped: number;
  readonly bytesDropped: number;
  /** What was wrong, and what a repair of the journal does not mend. */
  readonly findings: readonly Finding[];
}

export interface VerifyOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called now and then with bytes read and bytes in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export type StoreStatus = 'open' | 'poisoned' | 'closed';

/** The one interface of every backend. */
export interface Store extends AsyncDisposable {
  readonly status: StoreStatus;
  readonly runs: Runs;
  readonly steps: Steps;
  readonly events: Events;
  readonly artifacts: Artifacts;
  readonly pins: Pins;
  /** The cursor of the last durable commit. */
  position(): string;
  /**
   * Runs `work` on staged copies and commits all it did at once, or nothing. If another writer moved
   * one of the runs meanwhile, `work` runs again, also when it threw, whatever it threw: what it saw
   * may be a mixture. So it must have no side effects. A stream that is put as an artifact again
   * stands for the bytes it gave the first time. After ten times it rejects with what was thrown
   * last, or `VERSION_CONFLICT`. A run that was not named here is `INVALID_ARGUMENT` inside.
   */
  transaction<T>(
    runIds: string | readonly string[],
    work: (tx: Transaction) => Promise<T>,
  ): Promise<T>;
  /**
   * What is done through the returned calls goes along with a transaction of the caller's own, begun by
   * `connectDatabase(…).transaction` on the same database: staged, sent after its callback has returned
   * and directly before its COMMIT; both are stored or neither. If another writer moved one of the runs
   * meanwhile, that callback runs again. `UNSUPPORTED` for a store that is no database.
   */
  enlist(tx: Queryable): Transaction;
  /**
   * Where it begins is settled at this call: what becomes durable between it and the first `next()`
   * is given. It never throws here; the first `next()` rejects with `STORE_CLOSED`,
   * `POSITION_EXPIRED` or `INVALID_ARGUMENT`. Ends without an error when `signal` aborts or the
   * store closes.
   */
  watch(options?: WatchOptions): AsyncIterable<Commit>;
  stats(): Promise<StoreStats>;
  /** Reads everything that is stored and compares it with its checksums and with the log. */
  verify(options?: VerifyOptions): Promise<VerifyReport>;
  /** Waits for what was accepted, then lets go of the store. May be called twice. */
  close(): Promise<void>;
}
