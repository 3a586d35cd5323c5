import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { hasPlan, maybeSeveral } from '../statementText.ts';

/** Counted over all connections of a database. */
export interface PlanCounts {
  hits: number;
  misses: number;
}

/** Which statements the server has prepared on one connection, by their SQL, and under which name. */
export class PreparedStatements {
  readonly #counts: PlanCounts;
  readonly #names: LRUCache<string, string> | undefined;
  readonly #batch: number;
  #dropped: string[] = [];
  #serial = 0;

  constructor(max: number, counts: PlanCounts) {
    this.#counts = counts;
    this.#batch = Math.max(1, max >> 4);
    const dispose = (name: string): void => void this.#dropped.push(name);
    this.#names = max === 0 ? undefined : new LRUCache({ max, dispose, noDisposeOnSet: true });
  }

  /** `undefined`: run it without a name. */
  nameOf(sql: string): string | undefined {
    if (this.#names === undefined) return undefined;
    const known = this.#names.get(sql);
    if (known !== undefined) {
      this.#counts.hits += 1;
      return known;
    }
    if (!hasPlan(sql) || maybeSeveral(sql)) return undefined;
    this.#counts.misses += 1;
    // The hash says what it is to whoever looks at pg_prepared_statements; the number makes it new.
    const hash = createHash('sha256').update(sql).digest('hex').slice(0, 24);
    return `hf_${hash}_${(this.#serial++).toString(36)}`;
  }

  /** The server has it now. */
  keep(sql: string, name: string): void {
    this.#names?.set(sql, name);
  }

  /** It is of no use any more. */
  forget(sql: string): void {
    this.#names?.delete(sql);
  }

  /** What the server should let go, when enough has come together to be worth a round trip. */
  takeDropped(): readonly string[] {
    return this.#dropped.length < this.#batch ? [] : this.#dropped.splice(0);
  }
}
