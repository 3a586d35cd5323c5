import type { Database, Queryable } from '../db.ts';
import { StoreError } from '../errors.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { inTurn } from './turns.ts';
import { Patience } from './waiting.ts';

/** The two halves of PostgreSQL's key, `hold` and `migr` in ASCII: the same for all migrations. */
const KEY = [0x686f6c64, 0x6d696772] as const;

export interface LockOptions extends ConnectionOptions {
  /** Told, once, when somebody else has the lock. */
  readonly onWait: (holder: string) => void;
}

/**
 * Runs `work` when nobody else migrates this database. PostgreSQL: under an advisory lock of the
 * session, which needs no table and falls with its connection. It is tried again and again, for a
 * statement that waits holds a snapshot, and `CREATE INDEX CONCURRENTLY` would wait for that for
 * ever. SQLite: each transaction is `IMMEDIATE`, and decides anew what is left to do.
 */
export function locked<T>(
  db: Database,
  options: LockOptions,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const patience = new Patience(options.clock, options.lockTimeoutMs);
  return inTurn(db, patience, options.signal, async () => {
    if (db.dialect === 'sqlite') {
      return db.session((session) => {
        const connection = new Connection(session, options);
        return connection.withoutForeignKeys(() => work(connection));
      });
    }
    return lockedPostgres(db, options, patience, work);
  });
}

async function lockedPostgres<T>(
  db: Database,
  options: LockOptions,
  patience: Patience,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  let isTold = false;
  for (;;) {
    const done = await attempt(db, options, work);
    if (done !== undefined) return done.result;
    // Whoever waits gives its connection back, and looks from any other.
    let holder = await holderOf(db);
    while (holder !== undefined) {
      if (!isTold) options.onWait(holder);
      isTold = true;
      if (!(await patience.wait(options.signal))) {
        const message = `the database is being migrated by ${holder}, which did not end in time`;
        throw new StoreError('LOCK_TIMEOUT', message);
      }
      holder = await holderOf(db);
    }
  }
}

/** `undefined`: somebody else has the lock. */
async function attempt<T>(
  db: Database,
  options: LockOptions,
  work: (connection: Connection) => Promise<T>,
): Promise<{ readonly result: T } | undefined> {
  return db.session(async (session) => {
    const { rows } = await session.query<{ readonly got: unknown }>(
      `SELECT pg_try_advisory_lock(${KEY.join(', ')}) AS got`,
    );
    if (rows[0]?.got !== true) return undefined;
    const connection = new Connection(session, options);
    const result = await work(connection);
    await session.query(`SELECT pg_advisory_unlock(${KEY.join(', ')})`);
    return { result };
  });
}

/** As far as the server tells: it shows other users' connections only in part. */
async function holderOf(connection: Queryable): Promise<string | undefined> {
  const { rows } = await connection.query<Readonly<Record<string, string | null>>>(
    `SELECT l.pid::text AS pid, a.usename AS "user", a.application_name AS application,
       coalesce(host(a.client_addr), 'this machine') AS client,
       to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since
     FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
       AND l.classid = ${KEY[0]} AND l.objid = ${KEY[1]}
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
  const [found] = rows;
  if (found === undefined) return undefined;
  const { pid, user, application, client, since } = found;
  const named = application ? `${application}, ` : '';
  return `process ${pid} of the server (${named}user ${user ?? 'unknown'}, from ${client}, connected since ${since})`;
}
