import type { Queryable, QueryOptions, QueryResult, Row } from '../../db.ts';
import { StoreError } from '../../errors.ts';

interface Waiting {
  readonly enter: () => void;
  readonly refuse: (reason: StoreError) => void;
}

/**
 * Lets so many reads into the database at a time; the others wait here, first come, first served, and
 * for as long as it takes. What the pool allows for a wait is then for the database, not for a crowd,
 * and commits, which do not come this way, never stand behind one.
 */
export class ReadLine implements Queryable {
  readonly #db: Queryable;
  readonly #insideMax: number;
  /** A set keeps the order, and gives up its first without moving the others. */
  readonly #line = new Set<Waiting>();
  #inside = 0;
  #isClosed = false;

  constructor(db: Queryable, insideMax: number) {
    this.#db = db;
    this.#insideMax = insideMax;
  }

  /** As of the database; `STORE_CLOSED` for those that have to wait when the line is closed. */
  async query<R = Row>(
    sql: string,
    params?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult<R>> {
    if (this.#isClosed) throw closed();
    if (this.#inside < this.#insideMax) this.#inside++;
    else await this.#turn();
    try {
      return await this.#db.query<R>(sql, params, options);
    } finally {
      this.#leave();
    }
  }

  close(): void {
    this.#isClosed = true;
    const reason = closed();
    for (const { refuse } of this.#line) refuse(reason);
    this.#line.clear();
  }

  #turn(): Promise<void> {
    return new Promise((enter, refuse) => this.#line.add({ enter, refuse }));
  }

  /** Whoever is next takes the place: nobody can slip in between. */
  #leave(): void {
    const [next] = this.#line;
    if (next === undefined) {
      this.#inside--;
      return;
    }
    this.#line.delete(next);
    next.enter();
  }
}

function closed(): StoreError {
  return new StoreError('STORE_CLOSED', 'the store has been closed');
}
