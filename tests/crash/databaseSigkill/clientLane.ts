/**
 * Two processes write to one database; one is killed, the other goes on, and is killed later. Then
 * everything that either had been told is stored has to be there. Prints its report as one line of JSON.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { connectDatabase, openStore } from '../../../src/index.ts';
import { SeededRandom } from '../../../src/testkit/seededRandom.ts';
import { type DatabasePlace, databasePlace } from '../../proof/histories/database/place.ts';
import { cycles, laneProgram } from '../sigkill/cycles.ts';
import { Ledger } from '../sigkill/ledger.ts';
import type { WriterTask } from '../sigkill/protocol.ts';
import { Victim } from '../sigkill/victim.ts';
import type { ClientReport, ClientTask } from './protocol.ts';

/** Kills on one database before the next begins: every check reads all that was ever acknowledged. */
const DATABASE_CYCLES = 4;
/** Drawn delays reach a little beyond what opening takes. Milliseconds. */
const OPENING_MS = 60;
/** What the one that goes on is given for some more commits. Milliseconds. */
const SURVIVAL_MS = 60_000;

class Lane {
  readonly #task: ClientTask;
  readonly #place: DatabasePlace;
  readonly #random: SeededRandom;
  readonly #ledger = new Ledger();
  #afterwards = 0;

  constructor(task: ClientTask, place: DatabasePlace) {
    this.#task = task;
    this.#place = place;
    this.#random = new SeededRandom(task.seed);
  }

  async run(): Promise<ClientReport> {
    const found = await cycles(
      (cycle) => cycle < this.#task.cycles,
      (cycle) => this.#cycle(cycle),
    );
    return { ...found, acknowledged: this.#ledger.acknowledged, afterwards: this.#afterwards };
  }

  async #cycle(cycle: number): Promise<readonly string[]> {
    if (cycle % DATABASE_CYCLES === 0) await this.#beginAnew(cycle > 0);
    const [first, second] = ['a', 'b'].map((name) => this.#writer(`w${cycle}${name}`));
    if (first === undefined || second === undefined) throw new RangeError('two writers it is');
    await this.#killOne(first.victim);
    await this.#goOn(second.victim);
    for (const { task, victim } of [first, second]) this.#ledger.add(task, await victim.killed);
    await this.#quiet();
    await using store = await openStore(this.#place.url(0));
    return await this.#ledger.check(store);
  }

  async #beginAnew(isUsed: boolean): Promise<void> {
    if (isUsed) await this.#place.renew();
    this.#ledger.turnOver();
  }

  #writer(prefix: string): { readonly task: WriterTask; readonly victim: Victim } {
    const { callers, flaw } = this.#task;
    const task = { url: this.#place.url(0), seed: this.#random.seed(), prefix, callers, flaw };
    return { task, victim: new Victim(task) };
  }

  /** While it is opening, or after some acknowledgements. */
  async #killOne(victim: Victim): Promise<void> {
    const random = this.#random;
    if (random.chance(0.2)) {
      await victim.reached('opening', 0);
      await delay(random.below(OPENING_MS));
    } else {
      await victim.reached('working', random.below(8 * this.#task.callers + 12));
      await delay(random.below(4));
    }
    victim.signal('SIGKILL');
    await victim.killed;
  }

  async #goOn(victim: Victim): Promise<void> {
    const more = 2 * this.#task.callers;
    const before = victim.acknowledged;
    const isStanding = delay(SURVIVAL_MS, true, { ref: false });
    const hasGoneOn = victim.reached('working', before + more).then(() => false);
    // It may end by itself, which `killed` tells.
    const stands = await Promise.race([hasGoneOn, isStanding, victim.killed.then(() => true)]);
    victim.signal('SIGKILL');
    if (stands) throw new Error('the process that was not killed stands still');
    this.#afterwards += victim.acknowledged - before;
  }

  /** What a dead process has sent may still be under way on the server. */
  async #quiet(): Promise<void> {
    if (this.#task.kind === 'sqlite') return;
    await using db = await connectDatabase(this.#place.url(0), { connectionsMax: 1 });
    const sql = `SELECT count(*) AS others FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'`;
    while ((await db.query<{ others: number }>(sql)).rows[0]?.others !== 0);
  }
}

await laneProgram(async (order) => {
  const task = order as ClientTask;
  const place = await databasePlace(task.kind);
  try {
    return await new Lane(task, place).run();
  } finally {
    await place.destroy();
  }
});
