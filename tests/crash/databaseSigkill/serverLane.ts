/**
 * Kills PostgreSQL itself, all its processes, while callers of two stores write; starts it again, and
 * looks with the same two stores for what was acknowledged. Prints its report as one line of JSON.
 */
import { isStoreError, openStore, type Store } from '../../../src/index.ts';
import { SeededRandom } from '../../../src/testkit/seededRandom.ts';
import { disagreements, Follower, positionOf } from '../../proof/histories/database/follower.ts';
import { startPostgres, type PostgresServer } from '../../services/postgres.ts';
import { cycles, laneProgram } from '../sigkill/cycles.ts';
import type { ServerReport, ServerTask } from './protocol.ts';

/** A transaction that says `mark` in two runs, which one caller has for itself. */
interface Pair {
  readonly mark: string;
  readonly outcome: 'acknowledged' | 'OUTCOME_UNKNOWN' | 'STORAGE_FAILED';
}

class Lane {
  readonly #task: ServerTask;
  readonly #server: PostgresServer;
  readonly #stores: readonly Store[];
  readonly #random: SeededRandom;
  readonly #totals = { acknowledged: 0, unknown: 0, unknownStored: 0 };
  #acknowledged = 0;
  #onAcknowledged: (count: number) => void = () => undefined;

  constructor(task: ServerTask, server: PostgresServer, stores: readonly Store[]) {
    this.#task = task;
    this.#server = server;
    this.#stores = stores;
    this.#random = new SeededRandom(task.seed);
  }

  async run(): Promise<ServerReport> {
    const start = this.#stores[0]?.position() ?? '';
    const followers = this.#stores.map((store) => new Follower(store, start));
    const found = await cycles(
      (cycle) => cycle < this.#task.cycles,
      (cycle) => this.#cycle(cycle),
    );
    const problems =
      found.problems.length > 0 ? found.problems : await this.#compare(start, followers);
    await Promise.all(followers.map((follower) => follower.stop()));
    return { cycles: found.cycles, ...this.#totals, problems };
  }

  async #cycle(cycle: number): Promise<readonly string[]> {
    const runsOf = (caller: number) => [`left ${cycle}.${caller}`, `right ${cycle}.${caller}`];
    const all = Array.from({ length: this.#task.callers }, (_, caller) => runsOf(caller));
    const { runs } = this.#stores[0] as Store;
    await Promise.all(all.flat().map((id) => runs.create({ id, workflow: 'k' })));
    const enough = this.#acknowledgedSoon(this.#random.below(20 * this.#task.callers));
    const callers = all.map((runIds, caller) => this.#caller(caller, runIds));
    await enough;
    await this.#server.kill('SIGKILL');
    const said = await Promise.all(callers);
    await this.#server.restart();
    await this.#back();
    const problems: string[] = [];
    for (const [caller, runIds] of all.entries()) {
      const pairs = said[caller] ?? [];
      for (const store of this.#stores) problems.push(...(await lookAt(store, runIds, pairs)));
      problems.push(...(await this.#repeat(runIds, pairs)));
    }
    return [...problems, ...(await this.#verify())];
  }

  /** Pair after pair, until the server is gone. */
  async #caller(caller: number, runIds: readonly string[]): Promise<readonly Pair[]> {
    const store = this.#stores[caller % this.#stores.length] as Store;
    const pairs: Pair[] = [];
    for (let n = 0; ; n++) {
      const mark = String(n);
      const outcome = await say(store, runIds, mark);
      pairs.push({ mark, outcome });
      if (outcome !== 'acknowledged') return pairs;
      this.#onAcknowledged(++this.#acknowledged);
    }
  }

  async #verify(): Promise<readonly string[]> {
    const { findings } = await (this.#stores[0] as Store).verify();
    return findings.map(({ file, message }) => `verify: ${file}: ${message}`);
  }

  #acknowledgedSoon(count: number): Promise<void> {
    const wanted = this.#acknowledged + count;
    return new Promise((resolve) => {
      this.#onAcknowledged = (now) => {
        if (now >= wanted) resolve();
      };
    });
  }

  /** The stores find the server again by themselves. */
  async #back(): Promise<void> {
    for (const store of this.#stores) {
      while ((await outcomeOf(store.stats())) === 'STORAGE_FAILED');
    }
  }

  /** What was in doubt is said again: then it is there once. */
  async #repeat(runIds: readonly string[], pairs: readonly Pair[]): Promise<readonly string[]> {
    const [store] = this.#stores as readonly [Store];
    const before = new Set(await marksOf(store, runIds[0] ?? ''));
    for (const { mark, outcome } of pairs) {
      if (outcome === 'acknowledged') this.#totals.acknowledged++;
      if (outcome !== 'OUTCOME_UNKNOWN') continue;
      this.#totals.unknown++;
      if (before.has(mark)) this.#totals.unknownStored++;
      await say(store, runIds, mark);
    }
    const due = pairs.filter(({ outcome }) => outcome !== 'STORAGE_FAILED').map(({ mark }) => mark);
    const found = await marksOf(store, runIds[1] ?? '');
    if (found.toSorted().join() === due.toSorted().join()) return [];
    return [`said again: ${found.join()}, not ${due.join()}`];
  }

  /** Both have seen all of it, over all kills. */
  async #compare(start: string, followers: readonly Follower[]): Promise<readonly string[]> {
    const { position } = await (this.#stores[0] as Store).stats();
    const isBehind = () => followers.some((one) => one.position < positionOf(position));
    while (isBehind()) await this.#stores[1]?.stats();
    return disagreements(
      start,
      followers.map(({ commits }) => commits),
    );
  }
}

function say(store: Store, runIds: readonly string[], mark: string): Promise<Pair['outcome']> {
  const event = { type: 'said', payload: mark, idempotencyKey: mark };
  return outcomeOf(
    store.transaction(runIds, async (tx) => {
      for (const id of runIds) await tx.events.append(id, event);
    }),
  );
}

/** Any other refusal is a fault. */
async function outcomeOf(work: Promise<unknown>): Promise<Pair['outcome']> {
  try {
    await work;
    return 'acknowledged';
  } catch (error) {
    if (!isStoreError(error)) throw error;
    if (error.code === 'OUTCOME_UNKNOWN' || error.code === 'STORAGE_FAILED') return error.code;
    throw error;
  }
}

async function marksOf(store: Store, runId: string): Promise<readonly string[]> {
  const marks: string[] = [];
  for await (const { payload } of store.events.list(runId, { limit: 1_000 })) {
    marks.push(typeof payload === 'string' ? payload : JSON.stringify(payload));
  }
  return marks;
}

async function lookAt(
  store: Store,
  [left = '', right = '']: readonly string[],
  pairs: readonly Pair[],
): Promise<readonly string[]> {
  const [first, second] = [await marksOf(store, left), await marksOf(store, right)];
  const problems: string[] = [];
  if (first.join() !== second.join()) problems.push(`a half: ${first.join()} | ${second.join()}`);
  const marks = new Set(first);
  if (marks.size !== first.length) problems.push(`something is there twice: ${first.join()}`);
  for (const { mark, outcome } of pairs) {
    if (outcome === 'acknowledged' && !marks.has(mark)) problems.push(`${mark} is lost`);
    if (outcome === 'STORAGE_FAILED' && marks.has(mark)) problems.push(`${mark} had failed`);
  }
  return problems;
}

await laneProgram(async (order) => {
  const task = order as ServerTask;
  const settings = task.isCareless === true ? { synchronous_commit: 'off' } : {};
  await using server = await startPostgres({ settings });
  const { url } = await server.createDatabase();
  const database = { onWarning: () => undefined };
  await using one = await openStore(url, { migrate: 'auto', database });
  await using two = await openStore(url, { database });
  return await new Lane(task, server, [one, two]).run();
});
