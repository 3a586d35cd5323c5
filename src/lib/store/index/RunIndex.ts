import {
  type ArtifactRow,
  type ArtifactVersion,
  RUN_STATUSES,
  type RunRow,
  type RunStatus,
} from '../../model/entities.ts';
import type { CataloguedArtifact } from '../commands/artifactCatalog.ts';
import type { ArtifactFilter, Finding, RunFilter } from '../contract.ts';
import type { ArtifactTables } from './artifactConditions.ts';
import { IndexDatabase, type IndexIdentity } from './indexDatabase.ts';
import { IndexUnusable } from './indexError.ts';
import { fromColumns, type IndexedRun, rowFromText, RUN_COLUMNS } from './indexedRun.ts';
import {
  type ArtifactPage,
  artifactPage,
  ArtifactQuery,
  childrenOf,
  expiredArtifacts,
  placeFromText,
  type Statement,
} from './queryArtifacts.ts';
import { listRuns, runCursorAfter } from './listRuns.ts';
import { type PendingRun, PendingRuns, type Stamp } from './pendingRuns.ts';
import { RunWriter } from './runWriter.ts';

export { IndexUnusable, type IndexedRun, type IndexIdentity };

export interface OpenIndexOptions {
  /** Look at every page and row for damage. Default: true; not needed where a checksum was compared. */
  readonly check?: boolean;
}

const EACH_ROWS = 500;

const ARTIFACT_TABLES: ArtifactTables = {
  dialect: 'sqlite',
  artifacts: 'artifacts',
  texts: 'artifact_texts',
  numbers: 'artifact_numbers',
  parents: 'artifact_parents',
  runs: 'runs',
  runTags: 'run_tags',
};

/**
 * Lists and queries of runs, over SQLite. It is derived and never the truth: `position` says how much
 * of the log it holds, and a crash may take it back to an earlier one, whole.
 *
 * Changes gather in memory, coalesced by run, until `flush` writes them. `get` and `eventSeq` see
 * them at once; `list`, `counts` and `each` see what was flushed: their caller flushes first.
 */
export class RunIndex implements Disposable {
  readonly #database: IndexDatabase;
  readonly #pending = new PendingRuns();
  #stored: Stamp;
  #stamped: Stamp;
  #unsyncedRows = 0;
  /** By run: few, and asked for whenever a run is not found. */
  readonly #damages: Map<string, Finding>;

  private constructor(database: IndexDatabase) {
    this.#database = database;
    this.#stored = database.readStamp();
    this.#stamped = this.#stored;
    this.#damages = new Map(
      database
        .all('SELECT run_id, finding FROM damaged_runs')
        .map(({ run_id, finding }) => [run_id as string, parseFinding(finding as string)]),
    );
  }

  /**
   * Opens the database file, or creates it; `:memory:` lives as long as the process. Throws
   * `IndexUnusable` when it is damaged, or of another store, timeline or format: its caller then
   * deletes `filesOf(path)` and builds it anew. Other failures are those of the disk.
   */
  static open(path: string, identity: IndexIdentity, options: OpenIndexOptions = {}): RunIndex {
    return new RunIndex(IndexDatabase.open(path, identity, options.check ?? true));
  }

  /** Every file that SQLite may have made: a log left beside a new database would be read into it. */
  static filesOf(path: string): readonly string[] {
    return [path, `${path}-wal`, `${path}-shm`];
  }

  /** Every commit up to here is in the tables. */
  get position(): number {
    return this.#stored.position;
  }

  /** As given to `stamp`. */
  get checkpoint(): number {
    return this.#stored.checkpoint;
  }

  /** Rows that were flushed since `checkpointToDisk`: what a power cut may take back. */
  get unsyncedRows(): number {
    return this.#unsyncedRows;
  }

  /** How many runs have changes that are not flushed. */
  get pendingCount(): number {
    return this.#pending.count;
  }

  /** Replaces what the index knows of the run, whatever its position. */
  put(run: IndexedRun): void {
    this.#pending.put(run.row.id, run);
  }

  /** With its tags and event keys, and with what is known of its damage. */
  delete(runId: string): void {
    this.#damages.delete(runId);
    this.#pending.delete(runId);
  }

  /** Takes the run's place until `delete`: its files cannot be trusted, so no list has it. */
  putDamage(runId: string, finding: Finding): void {
    this.#damages.set(runId, finding);
    this.#pending.putDamage(runId, finding);
  }

  /** By run. */
  get damages(): ReadonlyMap<string, Finding> {
    return this.#damages;
  }

  /** Replaces what the index knows of this version. */
  putArtifact(runId: string, row: ArtifactRow): void {
    this.#pending.putArtifact(runId, row);
  }

  putEventKey(runId: string, key: string, seq: number): void {
    this.#pending.putEventKey(runId, key, seq);
  }

  /** States a position that becomes `position` once everything pending by now is flushed. */
  stamp(position: number, checkpoint: number = this.#stamped.checkpoint): void {
    const { position: p, checkpoint: c } = this.#stamped;
    if (p === position && c === checkpoint) return;
    this.#stamped = { position, checkpoint };
    this.#pending.stamp(this.#stamped);
  }

  /**
   * Writes at most `rowsMax` rows (runs and event keys), oldest change first, in one transaction;
   * synchronously, so the caller chooses how long it takes. True when nothing is left. After a
   * failure everything is still pending.
   */
  flush(rowsMax: number): boolean {
    let [rows, runs] = [0, 0];
    let keys: string[] = [];
    const written = (): Stamp | undefined => this.#pending.stampAfter(runs);
    if (this.#pending.count === 0 && written() === undefined) return true;
    this.#database.transaction(() => {
      const writer = new RunWriter(this.#database);
      for (const [runId, pending] of this.#pending.entries()) {
        if (rows >= rowsMax) break;
        keys = writeRun(writer, runId, pending, rowsMax - rows);
        rows += 1 + pending.artifacts.size + keys.length;
        if (keys.length < pending.keys.size) break;
        keys = [];
        runs++;
      }
      writer.finish();
      const stamp = written();
      if (stamp !== undefined) this.#database.writeStamp(stamp);
    });
    const stamp = written();
    this.#pending.written(runs, keys, stamp);
    this.#stored = stamp ?? this.#stored;
    this.#unsyncedRows += rows;
    return this.#pending.count === 0;
  }

  get(runId: string): IndexedRun | undefined {
    const pending = this.#pending.get(runId);
    if (pending?.run !== undefined) return pending.run;
    if (pending?.deleted === true) return undefined;
    const columns = this.#database.get(`SELECT ${RUN_COLUMNS} FROM runs WHERE id = ?`, runId);
    return columns === undefined ? undefined : fromColumns(columns);
  }

  /** The event of the run that has this idempotency key. */
  eventSeq(runId: string, key: string): number | undefined {
    const pending = this.#pending.get(runId);
    const seq = pending?.keys.get(key);
    if (seq !== undefined) return seq;
    if (pending?.deleted === true) return undefined;
    const sql = 'SELECT seq FROM event_keys WHERE run_id = ? AND key = ?';
    return this.#database.get(sql, runId, key)?.['seq'] as number | undefined;
  }

  /** Newest first. `INVALID_ARGUMENT`, with its path, for a filter or cursor that is none. */
  list(filter?: RunFilter): { items: RunRow[]; next: string | null } {
    const { sql, params, limit } = listRuns(filter);
    const found = this.#database.query(sql, params);
    const items = found.slice(0, limit).map(rowFromText);
    return { items, next: runCursorAfter(found, limit) };
  }

  /** Artifacts of all runs, newest first. `after`: as the page before told it. */
  queryArtifacts(filter: ArtifactFilter, after: string | undefined): ArtifactPage {
    const query = new ArtifactQuery(filter, ARTIFACT_TABLES, placeFromText(after));
    const { probe } = query;
    const counts = probe && this.#database.query(probe.sql, probe.params)[0];
    const page = query.page(counts);
    return artifactPage(page ? this.#database.query(page.sql, page.params) : [], query.limit);
  }

  /** It may be written meanwhile. */
  expiredArtifacts(nowMs: number): AsyncIterable<readonly CataloguedArtifact[]> {
    const ask = ({ sql, params }: Statement) => this.#database.query(sql, params);
    return expiredArtifacts(nowMs, ARTIFACT_TABLES, ask);
  }

  childrenOf(version: ArtifactVersion): readonly CataloguedArtifact[] {
    const { sql, params } = childrenOf(version, ARTIFACT_TABLES);
    const rows = this.#database.query(sql, params);
    return artifactPage(rows, rows.length).found;
  }

  counts(): Record<RunStatus, number> {
    const counts = Object.fromEntries(RUN_STATUSES.map((status) => [status, 0]));
    for (const { status, count } of this.#database.all('SELECT status, count FROM run_counts')) {
      counts[status as RunStatus] = count as number;
    }
    return counts as Record<RunStatus, number>;
  }

  /** Every run, in no stated order, some hundred at a time: the index may be written meanwhile. */
  *each(): Generator<IndexedRun, void, undefined> {
    const sql = `SELECT n, ${RUN_COLUMNS} FROM runs WHERE n > ? ORDER BY n LIMIT ${EACH_ROWS}`;
    for (let last = 0; ;) {
      const chunk = this.#database.all(sql, last);
      for (const columns of chunk) yield fromColumns(columns);
      if (chunk.length < EACH_ROWS) return;
      last = chunk.at(-1)?.['n'] as number;
    }
  }

  /**
   * Makes what was flushed durable and empties SQLite's log. Synchronous, with two syncs: for quiet
   * moments. A crash before it takes the index back, whole, and the log brings it up to date again;
   * where the log no longer reaches back that far, opening builds it anew from the run files.
   */
  checkpointToDisk(): void {
    this.#database.checkpoint();
    this.#unsyncedRows = 0;
  }

  /** What is pending is dropped: the log still has it. May be called twice. */
  close(): void {
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Returns the event keys that it wrote: as many as there is room for. */
function writeRun(writer: RunWriter, runId: string, pending: PendingRun, room: number): string[] {
  if (pending.deleted) writer.delete(runId);
  if (pending.run !== undefined) writer.put(pending.run);
  if (pending.damage !== undefined) writer.putDamage(runId, pending.damage);
  for (const artifact of pending.artifacts.values()) writer.artifacts.put(runId, artifact);
  const keys: string[] = [];
  for (const [key, seq] of pending.keys) {
    if (keys.length >= room) break;
    writer.putEventKey(runId, key, seq);
    keys.push(key);
  }
  return keys;
}

function parseFinding(text: string): Finding {
  return JSON.parse(text) as Finding;
}
