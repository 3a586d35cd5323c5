import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { openStore } from '../../../../src/index.ts';
import type { SeededRandom } from '../../../../src/testkit.ts';
import { TcpProxy } from '../../../../src/testkit/tcpProxy.ts';
import { sharedPostgres, type SharedPostgres } from '../../../services/postgres.ts';

export type DatabaseKind = 'sqlite' | 'postgres';

/** Bytes within which a connection is cut: a statement or two, or a part of one. */
const CUT_BYTES_MAX = 6_000;
const PROCESSES_MAX = 3;

/** One database that several processes have open, each on a way of its own. */
export interface DatabasePlace {
  readonly url: (process: number) => string;
  /** Whether ways can be cut. */
  readonly hasNetwork: boolean;
  /** Soon one connection of this process is cut, in the middle of whatever it carries. */
  cutSoon(process: number, random: SeededRandom): void;
  /** Resets every connection of this process. */
  cutAll(process: number): Promise<void>;
  /** No cut comes any more. Resolves once nobody is connected, and so nothing is under way. */
  quiet(): Promise<void>;
  /** From now on it is an empty database, with its schema. */
  renew(): Promise<void>;
  destroy(): Promise<void>;
}

export async function databasePlace(kind: DatabaseKind): Promise<DatabasePlace> {
  const place = kind === 'sqlite' ? new SqlitePlace() : await PostgresPlace.make();
  await place.renew();
  return place;
}

class SqlitePlace implements DatabasePlace {
  readonly hasNetwork = false;
  #folder = '';

  url = (): string => `sqlite:${join(this.#folder, 'data.db')}`;

  cutSoon(): void {
    throw new RangeError('a file has no connection');
  }

  cutAll(): Promise<void> {
    throw new RangeError('a file has no connection');
  }

  async quiet(): Promise<void> {}

  async renew(): Promise<void> {
    await this.destroy();
    this.#folder = await mkdtemp(join(tmpdir(), 'holdfast-histories-'));
    await (await openStore(this.url())).close();
  }

  async destroy(): Promise<void> {
    if (this.#folder !== '') await rm(this.#folder, { recursive: true });
  }
}

class PostgresPlace implements DatabasePlace {
  readonly hasNetwork = true;
  readonly #ways: readonly TcpProxy[];
  #database: Awaited<ReturnType<SharedPostgres['createDatabase']>> | undefined;

  private constructor(ways: readonly TcpProxy[]) {
    this.#ways = ways;
  }

  static async make(): Promise<PostgresPlace> {
    const { hostname: host, port } = new URL((await sharedPostgres()).url);
    const target = { host, port: Number(port) };
    const starts = Array.from({ length: PROCESSES_MAX }, () => TcpProxy.start({ target }));
    return new PostgresPlace(await Promise.all(starts));
  }

  url = (process: number): string => this.#way(process).url(this.#database?.url ?? '');

  cutSoon(process: number, random: SeededRandom): void {
    const direction = random.pick(['toServer', 'toClient'] as const);
    void this.#way(process).cut({ direction, at: 1 + random.below(CUT_BYTES_MAX) });
  }

  async cutAll(process: number): Promise<void> {
    await this.#way(process).set('reset');
    await this.#way(process).set('pass');
  }

  async quiet(): Promise<void> {
    for (const way of this.#ways) void way.cut({ direction: 'toServer', at: () => false });
    while (this.#ways.some(({ connections }) => connections > 0)) await setImmediate();
  }

  async renew(): Promise<void> {
    await this.#database?.drop();
    this.#database = await (await sharedPostgres()).createDatabase();
    await (await openStore(this.#database.url, { migrate: 'auto' })).close();
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#ways.map((way) => way.close()));
    await this.#database?.drop();
  }

  #way(process: number): TcpProxy {
    const way = this.#ways[process];
    if (way === undefined) throw new RangeError(`there is no process ${process}`);
    return way;
  }
}
