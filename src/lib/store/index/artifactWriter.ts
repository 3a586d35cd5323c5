import { factsOf } from '../../model/artifactFacts.ts';
import type { ArtifactRow } from '../../model/entities.ts';
import { artifactToText } from '../../model/text.ts';
import type { IndexDatabase } from './indexDatabase.ts';
import { rowChecksum, type Value } from './rowChecksum.ts';

const COLUMNS = [
  'run_id',
  'name',
  'version',
  'id',
  'created_ms',
  'digest',
  'media_type',
  'size',
  'expires_ms',
  'deleted',
  'data',
  'crc',
];
const INSERT = `INSERT INTO artifacts (${COLUMNS.join(', ')})
  VALUES (${COLUMNS.map(() => '?').join(', ')})`;
const UPDATE = `UPDATE artifacts SET ${COLUMNS.map((column) => `${column} = ?`).join(', ')} WHERE n = ?`;
const FIND = 'SELECT n FROM artifacts WHERE run_id = ? AND name = ? AND version = ?';
const FACT_TABLES = ['artifact_texts', 'artifact_numbers', 'artifact_parents'] as const;

/** Writes artifacts into the tables, inside a transaction of its caller. */
export class ArtifactWriter {
  readonly #database: IndexDatabase;

  constructor(database: IndexDatabase) {
    this.#database = database;
  }

  /** In the place of what is known of this version. */
  put(runId: string, row: ArtifactRow): void {
    const values = valuesOf(runId, row);
    const all = [...values, rowChecksum(values)];
    const known = this.#database.get(FIND, runId, row.name, row.version)?.['n'] as
      number | undefined;
    let n = known;
    if (n === undefined) n = this.#database.run(INSERT, ...all);
    else {
      this.#database.run(UPDATE, ...all, n);
      this.#forgetFacts(n);
    }
    this.#putParents(n, row);
    // Of a deleted one nothing else can be asked.
    if (row.deletedAt === null) this.#putFacts(n, row);
  }

  /** Those of a run. Harmless when there are none. */
  deleteAll(runId: string): void {
    for (const { n } of this.#database.all('SELECT n FROM artifacts WHERE run_id = ?', runId)) {
      this.#forgetFacts(n as number);
      this.#database.run('DELETE FROM artifacts WHERE n = ?', n as number);
    }
  }

  #putFacts(n: number, row: ArtifactRow): void {
    const { texts, numbers } = factsOf(row);
    for (const text of texts) this.#insert('artifact_texts', [...text, n]);
    for (const number of numbers) this.#insert('artifact_numbers', [...number, n]);
  }

  #putParents(n: number, { parents }: ArtifactRow): void {
    for (const { runId, name, version } of parents) {
      this.#insert('artifact_parents', [runId, name, version, n]);
    }
  }

  #insert(table: (typeof FACT_TABLES)[number], values: readonly Value[]): void {
    const places = values.map(() => '?').join(', ');
    const sql = `INSERT OR REPLACE INTO ${table} VALUES (${places}, ?)`;
    this.#database.run(sql, ...values, rowChecksum(values));
  }

  #forgetFacts(n: number): void {
    for (const table of FACT_TABLES) {
      this.#database.run(`DELETE FROM ${table} WHERE artifact = ?`, n);
    }
  }
}

function valuesOf(runId: string, row: ArtifactRow): readonly Value[] {
  const { name, version, id, createdAt, digest, mediaType, size, expiresAt, deletedAt } = row;
  return [
    runId,
    name,
    version,
    id,
    Date.parse(createdAt),
    digest,
    mediaType,
    size,
    expiresAt === null ? null : Date.parse(expiresAt),
    deletedAt === null ? 0 : 1,
    artifactToText(row),
  ];
}
