import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { LRUCache } from 'lru-cache';
import type { QueryResult, Row } from '../../db.ts';
import { StoreError } from '../../errors.ts';
import { type Parameter, refusal } from '../parameters.ts';
import { changesRows, isBlank, parameterCount } from '../statementText.ts';

export interface Prepared {
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
  readonly changesRows: boolean;
  readonly parameterCount: number;
  /** The statements after the first: SQLite prepares one at a time, and `node:sqlite` is silent. */
  readonly rest: string | undefined;
}

const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const SAFE = { min: BigInt(Number.MIN_SAFE_INTEGER), max: BigInt(Number.MAX_SAFE_INTEGER) };

/** The statements that a connection keeps compiled. Throws what `node:sqlite` throws. */
export class Statements {
  readonly #database: DatabaseSync;
  readonly #kept: LRUCache<string, Prepared> | undefined;
  hits = 0;
  misses = 0;

  constructor(database: DatabaseSync, max: number) {
    this.#database = database;
    this.#kept = max === 0 ? undefined : new LRUCache({ max });
  }

  /** `undefined` where there is nothing to run. */
  prepare(sql: string): Prepared | undefined {
    const kept = this.#kept?.get(sql);
    if (kept !== undefined) {
      this.hits += 1;
      return kept;
    }
    if (isBlank(sql)) return undefined;
    this.misses += 1;
    const prepared = compile(this.#database, sql);
    if (prepared.rest === undefined) this.#kept?.set(sql, prepared);
    return prepared;
  }

  /** The compiled ones hold on to the database. */
  clear(): void {
    this.#kept?.clear();
  }
}

function compile(database: DatabaseSync, sql: string): Prepared {
  const statement = database.prepare(sql);
  statement.setReadBigInts(true);
  const first = statement.sourceSQL;
  const rest = sql.slice(first.length);
  return {
    statement,
    returnsRows: statement.columns().length > 0,
    changesRows: changesRows(first),
    parameterCount: parameterCount(first),
    rest: isBlank(rest) ? undefined : rest,
  };
}

export function execute(prepared: Prepared, params: readonly Parameter[]): QueryResult {
  if (params.length !== prepared.parameterCount) {
    const message = `it has ${prepared.parameterCount} parameters, and ${params.length} were given`;
    throw new StoreError('QUERY_FAILED', `SQLite: ${message}`);
  }
  const named: Record<string, SQLInputValue> = {};
  for (const [n, value] of params.entries()) named[`$${n + 1}`] = bound(value, `$${n + 1}`);
  if (prepared.returnsRows) {
    const rows = prepared.statement.all(named).map(readRow);
    return { rows, rowCount: rows.length };
  }
  const { changes } = prepared.statement.run(named);
  return { rows: [], rowCount: prepared.changesRows ? Number(changes) : 0 };
}

/** Whole numbers go as such: `node:sqlite` binds every number of JavaScript as a floating one. */
function bound(value: Parameter, name: string): SQLInputValue {
  switch (typeof value) {
    case 'boolean':
      return value ? 1n : 0n;
    case 'number':
      return Number.isSafeInteger(value) ? BigInt(value) : value;
    case 'bigint':
      if (value >= INT64.min && value <= INT64.max) return value;
      throw refusal(name, `${value} has more than the 64 bits of an integer`);
    case 'string':
      return value;
    case 'object':
      if (value === null || value instanceof Uint8Array) return value;
      throw refusal(name, 'SQLite has no arrays; pass JSON.stringify(…) of it');
    default:
      return value satisfies never;
  }
}

/** Whole numbers that JavaScript holds exactly come as numbers, as they do from PostgreSQL. */
function readRow(row: object): Row {
  const read: Record<string, unknown> = { ...row };
  for (const [column, value] of Object.entries(read)) {
    if (typeof value === 'bigint' && value >= SAFE.min && value <= SAFE.max) {
      read[column] = Number(value);
    }
  }
  return read;
}
