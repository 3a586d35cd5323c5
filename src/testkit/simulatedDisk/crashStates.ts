import type { SeededRandom } from '../seededRandom.ts';
import type { Fate, Kept } from './image.ts';
import type { Pending, Surface } from './surface.ts';
import { arrivals, FILLS, SECTORS, sectorsOf, torn } from './tearing.ts';

const ALL_SUBSETS_UP_TO = 4;
const SAMPLES = 8;
/** Several torn writes at once, and others kept or lost. */
const DRAWN = 3;

export interface CrashOptions {
  readonly random: SeededRandom;
  /** Bytes that were written to this disk at some time: what stale sectors may hold. */
  readonly stale: readonly Buffer[];
  /** About how many torn writes are tried at one moment; the rest is left out at random. */
  readonly tearsMax: number;
}

/**
 * The ways in which a power cut at this moment can decide: what is not durable is kept or lost in all
 * subsets where it is little; else none, all, each one missing, each one alone, every beginning, and a
 * sample. Then every write that is not durable, torn in sectors, with the others kept or lost.
 */
export function* fatesOf(surface: Surface, options: CrashOptions): Generator<Fate> {
  const { pending } = surface;
  yield* subsets(pending, options.random);
  if (pending.length > 1) for (let n = 0; n < DRAWN; n++) yield drawFate(surface, options);
  const tears = pending.flatMap((item) =>
    item.kind === 'write' ? [...tearsOf(item, options)] : [],
  );
  const share = Math.min(1, options.tearsMax / tears.length);
  for (const { n, tear } of tears) {
    if (!options.random.chance(share)) continue;
    const others = options.random.chance(0.7) ? pending : [];
    yield new Map<number, Kept>([...whole(others), [n, tear()]]);
  }
}

function* subsets(pending: readonly Pending[], random: SeededRandom): Generator<Fate> {
  const { length } = pending;
  if (length <= ALL_SUBSETS_UP_TO) {
    for (let bits = 0; bits < 2 ** length; bits++)
      yield some(pending, (n) => (bits >> n) % 2 === 1);
    return;
  }
  yield new Map();
  yield some(pending, () => true);
  for (let one = 0; one < length; one++) {
    yield some(pending, (n) => n !== one);
    yield some(pending, (n) => n === one);
    yield some(pending, (n) => n < one);
  }
  for (let n = 0; n < SAMPLES; n++) yield some(pending, () => random.chance(0.5));
}

function some(pending: readonly Pending[], isKept: (n: number) => boolean): Fate {
  return new Map(whole(pending.filter((_, n) => isKept(n))));
}

function whole(pending: readonly Pending[]): readonly (readonly [number, Kept])[] {
  return pending.map(({ n }) => [n, 'whole'] as const);
}

interface Tear {
  readonly n: number;
  readonly tear: () => Kept;
}

function* tearsOf(
  item: Extract<Pending, { kind: 'write' }>,
  { random, stale }: CrashOptions,
): Generator<Tear> {
  const garbage = (length: number) => garbageOf(length, random, stale);
  for (const size of SECTORS) {
    for (const arrived of arrivals(sectorsOf(item, size), random)) {
      for (const fill of FILLS) {
        yield { n: item.n, tear: () => torn(item, size, arrived, fill, garbage) };
      }
    }
  }
}

/** Noise, or what some other write left there once: checksums may be right inside of it. */
function garbageOf(length: number, random: SeededRandom, stale: readonly Buffer[]): Uint8Array {
  if (stale.length === 0 || random.chance(0.3)) return random.bytes(length);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const piece = random.pick(stale);
    // From a line of it, now and then: frames that a reader could take for its own.
    const from = random.chance(0.5) ? 0 : random.below(piece.length);
    at += Math.max(1, piece.copy(bytes, at, from));
  }
  return bytes;
}

/** One way, drawn at random. */
export function drawFate(surface: Surface, options: CrashOptions): Fate {
  const fate = new Map<number, Kept>();
  const { random } = options;
  for (const item of surface.pending) {
    if (item.kind === 'write' && random.chance(0.4)) {
      const tears = [...tearsOf(item, options)];
      if (tears.length > 0) fate.set(item.n, random.pick(tears).tear());
    } else if (random.chance(0.5)) fate.set(item.n, 'whole');
  }
  return fate;
}
