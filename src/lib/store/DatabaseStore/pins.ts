import type { Queryable } from '../../db.ts';
import { StoreError } from '../../errors.ts';
import { checkGiven, checkInteger, checkName } from '../../model/check.ts';
import { type Identity, toCursor } from '../commands/cursor.ts';
import type { Pin, Pins } from '../contract.ts';
import type { DatabaseCommitter } from './committer.ts';
import type { LogHead } from './head.ts';

type NewPin = Parameters<Pins['create']>[0];
const NEW_PIN: ReadonlySet<string> = new Set<keyof NewPin>(['name', 'after', 'bytesMax']);

/** What a pin may hold back unless it says so: 1 GiB. */
const BYTES_MAX_DEFAULT = 1024 ** 3;
const COLUMNS = 'name, position, bytes_max, broken, timeline';

const IS_THERE = `CAST($2 AS bigint) + 1 >= coalesce((SELECT min(position) FROM holdfast_changes),
  (SELECT position + 1 FROM holdfast_log_head))`;

/** What it wants to hold on to must still be there, in this very statement. */
const CREATE = `INSERT INTO holdfast_pins (${COLUMNS})
  SELECT $1, CAST($2 AS bigint), CAST($3 AS bigint), 0, CAST($4 AS bigint)
  WHERE ${IS_THERE}
  ON CONFLICT (name) DO NOTHING RETURNING ${COLUMNS}`;

/** A pin that holds has held what it moves to; one that is broken must find it. */
const ADVANCE = `UPDATE holdfast_pins SET broken = 0, timeline = CAST($3 AS bigint), position =
    CASE WHEN timeline = CAST($3 AS bigint) AND position > CAST($2 AS bigint) THEN position
      ELSE CAST($2 AS bigint) END
  WHERE name = $1 AND ((broken = 0 AND timeline = CAST($3 AS bigint)) OR ${IS_THERE})
  RETURNING ${COLUMNS}`;

interface PinColumns {
  readonly name: string;
  readonly position: number;
  readonly bytes_max: number;
  readonly broken: number;
  readonly timeline: number;
}

export interface PinTableParts {
  readonly db: Queryable;
  readonly identity: Identity;
  readonly head: LogHead;
  readonly committer: Pick<DatabaseCommitter, 'refuseClosed' | 'refuseUnwritable'>;
}

/** The claims on the log, a row each. */
export class PinTable implements Pins {
  readonly #parts: PinTableParts;

  constructor(parts: PinTableParts) {
    this.#parts = parts;
  }

  async create(pin: NewPin): Promise<Pin> {
    this.#parts.committer.refuseUnwritable();
    checkGiven(pin, 'pin', NEW_PIN);
    const { db, identity, head } = this.#parts;
    const name = checkName(pin.name, 'pin.name');
    const { bytesMax = BYTES_MAX_DEFAULT, after } = pin;
    checkInteger(bytesMax, 'pin.bytesMax', 1, Number.MAX_SAFE_INTEGER);
    const position = after === undefined ? head.position : await this.#positionOf(after);
    const values = [name, position, bytesMax, identity.timeline];
    const [created] = (await db.query<PinColumns>(CREATE, values)).rows;
    if (created !== undefined) return this.#toPin(created);
    if (!(await this.#isThere(name))) throw expired(position);
    throw new StoreError('ALREADY_EXISTS', `pin ${name} exists already`, { id: name });
  }

  async advance(name: string, after: string): Promise<Pin> {
    this.#parts.committer.refuseUnwritable();
    const { db, identity } = this.#parts;
    const position = await this.#positionOf(after);
    const { rows } = await db.query<PinColumns>(ADVANCE, [name, position, identity.timeline]);
    if (rows[0] !== undefined) return this.#toPin(rows[0]);
    throw (await this.#isThere(name)) ? expired(position) : missing(name);
  }

  async release(name: string): Promise<void> {
    this.#parts.committer.refuseUnwritable();
    const sql = `DELETE FROM holdfast_pins WHERE name = $1 RETURNING ${COLUMNS}`;
    const { rowCount } = await this.#parts.db.query(sql, [name]);
    if (rowCount === 0) throw missing(name);
  }

  async list(): Promise<readonly Pin[]> {
    this.#parts.committer.refuseClosed();
    const sql = `SELECT ${COLUMNS} FROM holdfast_pins ORDER BY name`;
    const { rows } = await this.#parts.db.query<PinColumns>(sql);
    return rows.map((row) => this.#toPin(row));
  }

  async #isThere(name: string): Promise<boolean> {
    const sql = 'SELECT 1 AS found FROM holdfast_pins WHERE name = $1';
    return (await this.#parts.db.query(sql, [name])).rowCount > 0;
  }

  #positionOf(cursor: string): Promise<number> {
    const { identity, head } = this.#parts;
    return head.positionOf(identity, cursor);
  }

  #toPin({ name, position, bytes_max: bytesMax, broken, timeline }: PinColumns): Pin {
    const { identity } = this.#parts;
    return {
      name,
      position: toCursor({ ...identity, timeline }, position),
      bytesMax,
      // What it held on to is not the log of this store any more.
      broken: broken !== 0 || timeline !== identity.timeline,
    };
  }
}

function expired(position: number): StoreError {
  const message = `the log does not reach back to commit ${position} any more`;
  return new StoreError('POSITION_EXPIRED', message);
}

function missing(name: string): StoreError {
  return new StoreError('NOT_FOUND', `there is no pin ${name}`, { id: name });
}
