import { connectDatabase, type Database } from '../../../../src/index.ts';
import type { DatabaseKind } from './place.ts';

interface BrokenDatabase {
  readonly kind: DatabaseKind;
  readonly break: (db: Database) => Promise<unknown>;
}

/** Databases that are wrong in one way each, by what is wrong. */
export const BROKEN_DATABASES: Readonly<Record<string, BrokenDatabase>> = {
  'commits on runs that have moved': {
    kind: 'postgres',
    break: inFunction('holdfast_commit', /<>(?=\s+coalesce\(\(SELECT r\.head)/, '> 0 AND -1 ='),
  },
  'commits on a run that has moved when nobody else calls': {
    kind: 'postgres',
    break: inFunction('holdfast_commit_one', /AND r\.head = base/, ''),
  },
  'does not look for keys that are in use': {
    kind: 'postgres',
    break: inFunction('holdfast_commit', /AND e\.key = k\.key/, 'AND e.key = k.key AND false'),
  },
  'leaves holes in the log where runs had moved': {
    kind: 'postgres',
    break: inFunction(
      'holdfast_commit',
      /(position = before \+ commit_count) - cardinality\(gone\)/,
      '$1',
    ),
  },
  'does not tell that a run has moved': {
    kind: 'sqlite',
    break: (db) =>
      db.query(
        `CREATE TRIGGER still AFTER UPDATE OF head ON holdfast_runs WHEN old.head <> new.head BEGIN
           UPDATE holdfast_runs SET head = old.head WHERE n = new.n;
         END`,
      ),
  },
};

/** Breaks the database at `url`. */
export async function breakDatabase(url: string, broken: BrokenDatabase): Promise<void> {
  await using db = await connectDatabase(url, { connectionsMax: 1 });
  await broken.break(db);
}

/** Puts something else in the place of a text in a function of the database. */
function inFunction(name: string, text: RegExp, instead: string): BrokenDatabase['break'] {
  return async (db) => {
    const { rows } = await db.query<{ body: string }>(
      'SELECT pg_get_functiondef($1::text::regproc) AS body',
      [name],
    );
    const body = rows[0]?.body ?? '';
    if (!text.test(body)) throw new RangeError(`${name} has no ${String(text)}`);
    await db.query(body.replace(text, instead));
  };
}
