// Damages small stores as its argument says, and prints what became of them, as JSON.
import {
  type Damage,
  flippedBit,
  flippedBits,
  swappedSectors,
  zeroedSectors,
} from '../../../src/testkit/bitFlips.ts';
import { SeededRandom } from '../../../src/testkit.ts';
import { surveyIndexDamage, undetectedFlips } from './indexSurvey.ts';
import type { Order, Result } from './order.ts';
import { closedStore, grownStore, killedStore, type SmallStore } from './smallStore.ts';
import { surveyDamage, type SurveyResult } from './survey.ts';

const INDEX = '/index/index.db';
/** How many bits of a file are drawn, where an opening costs much; of any other each is flipped. */
const DRAWN: Readonly<Record<string, { readonly ci: number; readonly soak: number }>> = {
  [INDEX]: { ci: 300, soak: 50_000 },
  '/index/index.db-wal': { ci: 100, soak: 20_000 },
};
/** So many sectors of a file are drawn when there are more. */
const SECTORS = { ci: 40, soak: 2_000 };

// A stack is not looked at, and it is most of what an error costs.
Error.stackTraceLimit = 0;
const order = JSON.parse(process.argv[2] ?? '') as Order;
const random = new SeededRandom(order.seed);
const extent = order.soak ? 'soak' : 'ci';
const total = { flips: 0, sectors: 0, digests: 0 };
const counts: Record<string, number> = {};
const wrong: string[] = [];

for (const make of order.soak
  ? [closedStore, killedStore, grownStore]
  : [closedStore, killedStore]) {
  const small = await make(order.seed);
  for (const file of small.image.files.keys()) {
    if (!file.startsWith(order.only ?? '/')) continue;
    total.flips += await take(small, file, flipsOf(small, file));
    total.sectors += await take(small, file, sectorsOf(small, file));
    if (file === INDEX && small.isClosed) countDigests(small);
  }
}
const result: Result = { ...total, counts, wrong };
console.log(JSON.stringify(result));

function* flipsOf({ image }: SmallStore, file: string): Generator<Damage, void, undefined> {
  const count = DRAWN[file]?.[extent];
  if (count === undefined) {
    yield* flippedBits(image, file);
    return;
  }
  const content = image.files.get(file) as Buffer;
  // Most of a page of SQLite is empty.
  const used = [...content.keys()].filter((byte) => content[byte] !== 0);
  for (let n = 0; n < count; n++) {
    const byte = random.chance(0.8) ? random.pick(used) : random.below(content.length);
    yield flippedBit(image, file, byte * 8 + random.below(8));
  }
}

function sectorsOf({ image }: SmallStore, file: string): readonly Damage[] {
  const all = [...zeroedSectors(image, file), ...swappedSectors(image, file)];
  if (all.length <= SECTORS[extent]) return all;
  return Array.from({ length: SECTORS[extent] }, () => random.pick(all));
}

/** Judges this process's share of the damages; returns how many those are. */
async function take(small: SmallStore, file: string, damages: Iterable<Damage>): Promise<number> {
  const survey = file.startsWith('/index/') ? surveyIndexDamage : surveyDamage;
  const found: SurveyResult = await survey(small, share(damages));
  for (const [verdict, count] of Object.entries(found.counts)) {
    counts[verdict] = (counts[verdict] ?? 0) + count;
  }
  wrong.push(...found.wrong);
  return found.judged;
}

function* share<T>(items: Iterable<T>): Generator<T> {
  let n = 0;
  for (const item of items) if (n++ % order.parts === order.part) yield item;
}

/** One drawn bit of each byte; all of them, when there is time. */
function countDigests({ image }: SmallStore): void {
  const content = image.files.get(INDEX) as Buffer;
  const all = content.length * 8;
  const bits = order.soak
    ? Array.from({ length: all }, (_, bit) => bit)
    : Array.from(content.keys(), (byte) => byte * 8 + random.below(8));
  const mine = [...share(bits)];
  total.digests += mine.length;
  for (const bit of undetectedFlips(image, INDEX, mine))
    wrong.push(`${INDEX}, bit ${bit}: same digest`);
}
