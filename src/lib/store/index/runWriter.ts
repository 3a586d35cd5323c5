import type { RunRow, RunStatus } from '../../model/entities.ts';
import type { Finding } from '../contract.ts';
import { ArtifactWriter } from './artifactWriter.ts';
import type { Columns, IndexDatabase } from './indexDatabase.ts';
import { type IndexedRun, partsToText, rowToText } from './indexedRun.ts';
import { rowChecksum, type Value } from './rowChecksum.ts';

/** Columns of `runs`, in their order: what never changes, what moves a run in the lists, the rest. */
const FIXED = [
  'id',
  'created_ms',
  'created_position',
  'workflow',
  'project',
  'parent_run_id',
  'parent_step_id',
];
const MOVED = ['status', 'ended_ms'];
const REST = ['tags', 'position', 'parts', 'data', 'crc'];

const FIND = `SELECT n, ${[...FIXED, ...MOVED, 'tags'].join(', ')} FROM runs WHERE id = ?`;
const INSERT = insertInto([...FIXED, ...MOVED, ...REST]);
const UPDATE = updateOf(REST);
const UPDATE_MOVED = updateOf([...MOVED, ...REST]);

/** Writes runs into the tables, inside a transaction of its caller. One is made for each. */
export class RunWriter {
  readonly #database: IndexDatabase;
  readonly artifacts: ArtifactWriter;
  readonly #counts = new Map<string, number>();

  constructor(database: IndexDatabase) {
    this.#database = database;
    this.artifacts = new ArtifactWriter(database);
  }

  put(run: IndexedRun): void {
    const { row } = run;
    const known = this.#find(row.id);
    if (known === undefined) return this.#insert(run);
    if (known['created_position'] !== run.createdPosition) {
      this.delete(row.id);
      return this.#insert(run);
    }
    this.#update(known, run);
  }

  /** With its tags, its event keys, its artifacts and its damage. Harmless when it is not there. */
  delete(runId: string): void {
    const known = this.#find(runId);
    this.#database.run('DELETE FROM event_keys WHERE run_id = ?', runId);
    this.#database.run('DELETE FROM damaged_runs WHERE run_id = ?', runId);
    this.artifacts.deleteAll(runId);
    if (known === undefined) return;
    this.#untag(known);
    this.#count(known['status'] as RunStatus, -1);
    this.#database.run('DELETE FROM runs WHERE n = ?', known['n'] as number);
  }

  putEventKey(runId: string, key: string, seq: number): void {
    this.#database.run(
      'INSERT INTO event_keys VALUES (?, ?, ?, ?)' +
        ' ON CONFLICT DO UPDATE SET seq = excluded.seq, crc = excluded.crc',
      runId,
      key,
      seq,
      rowChecksum([runId, key, seq]),
    );
  }

  /** Of a run that is not there otherwise. */
  putDamage(runId: string, finding: Finding): void {
    const sql = 'INSERT OR REPLACE INTO damaged_runs VALUES (?, ?, ?)';
    const text = JSON.stringify(finding);
    this.#database.run(sql, runId, text, rowChecksum([runId, text]));
  }

  /** The counts that all of it changed. */
  finish(): void {
    for (const [status, delta] of this.#counts) {
      if (delta === 0) continue;
      this.#database.run(
        'INSERT INTO run_counts VALUES (?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count',
        status,
        delta,
      );
    }
  }

  #find(runId: string): Columns | undefined {
    return this.#database.get(FIND, runId);
  }

  #insert(run: IndexedRun): void {
    const { row } = run;
    const values = [
      row.id,
      Date.parse(row.createdAt),
      run.createdPosition,
      row.workflow,
      row.project,
      row.parentRunId,
      row.parentStepId,
      row.status,
      endedMs(row),
      JSON.stringify(row.tags),
      run.position,
      partsToText(run.parts),
      rowToText(row),
    ];
    const n = this.#database.run(INSERT, ...values, rowChecksum(values));
    this.#tag(n, Date.parse(row.createdAt), run.createdPosition, row.tags);
    this.#count(row.status, 1);
  }

  /** SQLite rewrites the indexes of every column that is set, changed or not: so only what is. */
  #update(known: Columns, run: IndexedRun): void {
    const { row } = run;
    const n = known['n'] as number;
    const tags = JSON.stringify(row.tags);
    const moved = [row.status, endedMs(row)];
    const rest = [tags, run.position, partsToText(run.parts), rowToText(row)];
    const fixed = FIXED.map((column) => known[column] as Value);
    const crc = rowChecksum([...fixed, ...moved, ...rest]);
    if (known['status'] === row.status && known['ended_ms'] === moved[1]) {
      this.#database.run(UPDATE, ...rest, crc, n);
    } else {
      this.#database.run(UPDATE_MOVED, ...moved, ...rest, crc, n);
      this.#count(known['status'] as RunStatus, -1);
      this.#count(row.status, 1);
    }
    if (known['tags'] === tags) return;
    this.#untag(known);
    this.#tag(n, known['created_ms'] as number, run.createdPosition, row.tags);
  }

  #tag(n: number, createdMs: number, createdPosition: number, tags: RunRow['tags']): void {
    for (const [key, value] of Object.entries(tags)) {
      const values = [key, value, createdMs, createdPosition, n];
      const sql = 'INSERT INTO run_tags VALUES (?, ?, ?, ?, ?, ?)';
      this.#database.run(sql, ...values, rowChecksum(values));
    }
  }

  #untag(known: Columns): void {
    const tags = JSON.parse(known['tags'] as string) as RunRow['tags'];
    const place = [known['created_ms'], known['created_position'], known['n']] as number[];
    for (const [key, value] of Object.entries(tags)) {
      const sql =
        'DELETE FROM run_tags WHERE key = ? AND value = ?' +
        ' AND created_ms = ? AND created_position = ? AND run = ?';
      this.#database.run(sql, key, value, ...place);
    }
  }

  #count(status: RunStatus, delta: number): void {
    this.#counts.set(status, (this.#counts.get(status) ?? 0) + delta);
  }
}

function insertInto(columns: readonly string[]): string {
  return `INSERT INTO runs (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
}

function updateOf(columns: readonly string[]): string {
  return `UPDATE runs SET ${columns.map((column) => `${column} = ?`).join(', ')} WHERE n = ?`;
}

function endedMs(row: RunRow): number | null {
  return row.endedAt === null ? null : Date.parse(row.endedAt);
}
