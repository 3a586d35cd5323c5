import type { Database, Queryable, QueryOptions, QueryResult, Row } from '../../db.ts';
import { StoreError } from '../../errors.ts';

interface Waiting {
  readonly enter: () => void;
  readonly refuse: (reason: StoreError) => void;
}

/** What may be asked of a database by a crowd. */
export type Calls = Pick<Database, 'dialect' | 'query' | 'transaction'>;

/**
 * Lets so many calls into the database at a time: reads, and what is written beside commits, such as
 * the parts of blobs. The others wait here, first come, first served, and for as long as it takes. What
 * the pool allows for a wait is then for the database, not for a crowd, and commits, which do not come
 * this way, never stand behind one. A place is held for one call: whoever streams, and whoever waits
 * for something else, holds none in between.
 */
export class ReadLine implements Calls {
  readonly #db: Calls;
  readonly #insideMax: number;
  /** A set keeps the order, and gives up its first without moving the others. */
  readonly #line = new Set<Waiting>();
  #inside = 0;
  #isClosed = false;

  constructor(db: Calls, insideMax: number) {
    this.#db = db;
    this.#insideMax = insideMax;
  }

  get dialect(): Calls['dialect'] {
    return this.#db.dialect;
  }

  /** As of the database; `STORE_CLOSED` for those that have to wait when the line is closed. */
  query<R = Row>(
    sql: string,
    params?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult<R>> {
    return this.#letIn(() => this.#db.query<R>(sql, params, options));
  }

  /** The same. `work` must ask for nothing else that stands in this line. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    return this.#letIn(() => this.#db.transaction(work));
  }

  async #letIn<T>(call: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw closed();
    if (this.#inside < this.#insideMax) this.#inside++;
    else await this.#turn();
    try {
      return await call();
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
