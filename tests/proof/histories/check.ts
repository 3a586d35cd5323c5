/**
 * A process of its own: records histories, checks them, and prints one line of JSON. Its order comes
 * as JSON in the first argument. Seeds that show a fault, and their histories, go to standard error.
 */
import { inspect } from 'node:util';
import { checkLinearizable } from '../../../src/testkit/linearizability.ts';
import { named } from '../../fixtures/named.ts';
import type { Answer } from './calls.ts';
import { BROKEN_STORES } from './brokenStores.ts';
import { BROKEN_DATABASES, breakDatabase } from './database/brokenDatabases.ts';
import { type DatabaseKind, databasePlace } from './database/place.ts';
import { recordDatabaseHistory } from './database/record.ts';
import { type History, recordHistory } from './history.ts';
import { modelOf } from './model.ts';

export interface Order {
  /** Of the first history; each of the others has the next one. */
  readonly seed: number;
  readonly count: number;
  /** Key of `BROKEN_STORES`, or of `BROKEN_DATABASES`: it is tried until it is caught. */
  readonly store?: string;
  /** Several processes on a database of this kind; else one process at a time on a disk in memory. */
  readonly database?: DatabaseKind;
}

/** A history that shows that the store is wrong. */
export interface Fault {
  readonly seed: number;
  /** `crash`: something was thrown that no caller should see, or nothing went on. */
  readonly kind: 'not linearizable' | 'crash';
  readonly text: string;
}

export interface Checked {
  readonly histories: number;
  readonly operations: number;
  /** Of the shortest history. */
  readonly operationsMin: number;
  /** Operations that another one overlapped. */
  readonly overlapping: number;
  readonly unknown: number;
  /** Answers, by their error code; `answered` for all others. */
  readonly answers: Readonly<Record<string, number>>;
  /** Calls of the disk, or troubles of a database, by what they were. */
  readonly counts: Readonly<Record<string, number>>;
  readonly faults: readonly Fault[];
}

/** What a broken store took to be caught; `fault` is undefined when it was not. */
export interface Caught {
  readonly store: string;
  readonly histories: number;
  readonly fault: Fault | undefined;
}

/** After so many the rest is not worth the time. */
const FAULTS_MAX = 3;

class Tally {
  readonly faults: Fault[] = [];
  readonly #answers = new Map<string, number>();
  readonly #counts = new Map<string, number>();
  #histories = 0;
  #operations = 0;
  #operationsMin = Infinity;
  #overlapping = 0;
  #unknown = 0;

  add({ operations, unknown, counts }: History): void {
    this.#histories++;
    this.#operations += operations.length;
    this.#operationsMin = Math.min(this.#operationsMin, operations.length);
    this.#unknown += unknown;
    let latest = 0;
    for (const { call, return: end, output } of operations) {
      if (call < latest) this.#overlapping++;
      latest = Math.max(latest, end);
      raise(this.#answers, kindOf(output), 1);
    }
    for (const [what, count] of counts) raise(this.#counts, what, count);
  }

  report(): Checked {
    return {
      histories: this.#histories,
      operations: this.#operations,
      operationsMin: this.#operationsMin,
      overlapping: this.#overlapping,
      unknown: this.#unknown,
      answers: Object.fromEntries(this.#answers),
      counts: Object.fromEntries(this.#counts),
      faults: this.faults,
    };
  }
}

function kindOf(output: Answer | undefined): string {
  if (output === undefined) return 'unknown';
  return output !== null && 'refused' in output ? output.refused : 'answered';
}

function raise(counts: Map<string, number>, what: string, by: number): void {
  counts.set(what, (counts.get(what) ?? 0) + by);
}

type Recorder = (seed: number) => Promise<History>;

async function check(seed: number, record: Recorder, tally?: Tally): Promise<Fault | undefined> {
  try {
    const history = await record(seed);
    tally?.add(history);
    const verdict = checkLinearizable(history.operations, modelOf(history.runs));
    if (verdict.ok) return undefined;
    return {
      seed,
      kind: 'not linearizable',
      text: `processes met: ${history.fates.join('; ')}\n${verdict.text}`,
    };
  } catch (error) {
    return { seed, kind: 'crash', text: inspect(error) };
  }
}

async function checkStore(first: number, count: number, record: Recorder): Promise<Checked> {
  const tally = new Tally();
  for (let seed = first; seed < first + count; seed++) {
    const fault = await check(seed, record, tally);
    if (fault === undefined) continue;
    tally.faults.push(fault);
    process.stderr.write(`seed ${seed}: ${fault.text}\n`);
    if (tally.faults.length === FAULTS_MAX) break;
  }
  return tally.report();
}

/** Seed after seed, until one history shows that the store is broken. */
async function catchBroken(
  store: string,
  first: number,
  count: number,
  record: Recorder,
): Promise<Caught> {
  for (let n = 0; n < count; n++) {
    const fault = await check(first + n, record);
    if (fault !== undefined) return { store, histories: n + 1, fault };
  }
  return { store, histories: count, fault: undefined };
}

/** The log grows with each history, and what reads all of it with the log. */
const HISTORIES_OF_A_DATABASE = 300;

async function tryDatabase(
  kind: DatabaseKind,
  { seed, count, store }: Order,
): Promise<Checked | Caught> {
  const place = await databasePlace(kind);
  let recorded = 0;
  const record: Recorder = async (one) => {
    if (recorded++ % HISTORIES_OF_A_DATABASE === HISTORIES_OF_A_DATABASE - 1) await place.renew();
    return recordDatabaseHistory(one, place, store !== undefined);
  };
  try {
    if (store === undefined) return await checkStore(seed, count, record);
    await breakDatabase(place.url(0), named(BROKEN_DATABASES, store));
    return await catchBroken(store, seed, count, record);
  } finally {
    await place.destroy();
  }
}

function answer(order: Order): Promise<Checked | Caught> {
  const { seed, count, store, database } = order;
  if (database !== undefined) return tryDatabase(database, order);
  if (store === undefined) return checkStore(seed, count, recordHistory);
  const broken = named(BROKEN_STORES, store);
  return catchBroken(store, seed, count, (one) => recordHistory(one, broken));
}

const result = await answer(JSON.parse(process.argv[2] ?? '') as Order);
process.stdout.write(`${JSON.stringify(result)}\n`);
