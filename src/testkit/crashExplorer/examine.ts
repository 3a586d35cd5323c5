import {
  createMemoryFileSystem,
  type FileSystem,
  isStoreError,
  type Run,
  type Store,
} from '../../index.ts';
import { type DiskImage, keyOf, putImage, takeImage } from '../simulatedDisk.ts';
import { type Contents, differing, folded, observed } from './contents.ts';
import { Broken, type Invariant, type Ledger } from './ledger.ts';
import { live } from './life.ts';
import type { Side } from './side.ts';
import { commitsAfter } from './follow.ts';

/** What a crash must leave. */
interface Expectation {
  readonly ledger: Ledger;
  /** So many commits of the ledger, or more. */
  readonly required: number;
  /** So many had been read by somebody. */
  readonly read: number;
  /** Pins that must be there, with the commit that they stand at. */
  readonly pins: readonly { readonly name: string; readonly number: number }[];
  /** Nobody has been told that there is a store. */
  readonly mayBeNew: boolean;
}

export interface Examination extends Expectation {
  /** Opens what the file system holds. */
  readonly open: (fileSystem: FileSystem) => Promise<Store>;
  readonly image: DiskImage;
  readonly side?: Side | undefined;
  /**
   * Disks that recoveries left and that were examined on, by key and commits found. The processes of
   * one recording do the same on the same disk, and many crashes are recovered to the same.
   */
  readonly recovered: Set<string>;
}

interface Found {
  /** How many commits survived. */
  readonly number: number;
  readonly contents: Contents;
}

/**
 * Opens what a crash left and holds it against what was promised: twice, then after a write, then
 * after a close. Throws `Broken`. Returns how many commits had survived.
 */
export async function examine(examination: Examination): Promise<number> {
  const { image, open, side, recovered } = examination;
  const inner = createMemoryFileSystem();
  await putImage(inner, image);
  const first = await live(inner, open, side);
  const found = await look(first.store, examination);
  await first.die();
  const left = `${found.number} ${examination.required} ${keyOf(await takeImage(inner))}`;
  if (side === undefined && recovered.has(left)) return found.number;
  const second = await live(inner, open, side);
  const again = await look(second.store, examination);
  expectSame(found.contents, again.contents, 'opening again changes nothing');
  await followed(second.store, examination, again.number);
  await verified(second.store);
  const written = await writeRun(second.store);
  await closed(second.store);
  const third = await live(inner, open, side);
  const expected = new Map(found.contents);
  expected.set(written.id, { run: written, steps: [], events: [], artifacts: [] });
  expectSame(expected, await contentsOf(third.store), 'the store accepts writes');
  await followed(third.store, examination, found.number, 1);
  await verified(third.store);
  await third.die();
  recovered.add(left);
  return found.number;
}

/** Which commits survived, and whether what is served is exactly they. */
async function look(store: Store, expected: Expectation): Promise<Found> {
  const { ledger, required, read, mayBeNew } = expected;
  const number = ledger.numberOf(store.position());
  const contents = await contentsOf(store);
  await expectPins(store, expected);
  if (number === undefined && mayBeNew && contents.size === 0) return { number: 0, contents };
  if (number === undefined) return lookBeyond(store, ledger, contents);
  if (number < required) {
    const detail = `commit ${number} is the last, and ${required} was acknowledged`;
    throw new Broken('every acknowledged commit is there', detail);
  }
  if (number < read) {
    throw new Broken('what was read is there', `commit ${number} is the last, ${read} was read`);
  }
  const broken = ledger.blame(contents, number);
  if (broken !== undefined) throw broken;
  return { number, contents };
}

/** Commits survived that nobody was told of: the log says what they were. */
async function lookBeyond(store: Store, ledger: Ledger, contents: Contents): Promise<Found> {
  let expected = ledger.contentsAt(ledger.length);
  let number = ledger.length;
  for (const commit of (await commitsAfter(store, ledger.end)) ?? []) {
    ledger.explain(commit);
    expected = folded(expected, commit);
    number++;
  }
  expectSame(expected, contents, 'run files and index equal the log');
  return { number, contents };
}

/** Cursors from before the crash: all that came later, once, or a clear refusal. */
async function followed(
  store: Store,
  { ledger, required, pins }: Expectation,
  number: number,
  later = 0,
): Promise<void> {
  const held = Math.min(...pins.map((pin) => pin.number));
  for (const from of new Set([0, required, ...pins.map((pin) => pin.number)])) {
    if (from >= Math.min(number, ledger.length)) continue;
    const commits = await commitsAfter(store, ledger.positionOf(from));
    if (commits === undefined && from >= held) {
      throw new Broken('a cursor gives every later change once', `commit ${from} was pinned`);
    }
    if (commits === undefined) continue;
    const expected = ledger.commitsAfter(from).slice(0, number - from);
    const known = commits.slice(0, expected.length);
    const isSame = JSON.stringify(known) === JSON.stringify(expected);
    if (isSame && commits.length === number - from + later) continue;
    const detail = `after commit ${from} came ${commits.map(({ position }) => position).join(', ')}`;
    throw new Broken('a cursor gives every later change once', detail);
  }
}

async function expectPins(store: Store, { ledger, pins }: Expectation): Promise<void> {
  const found = await store.pins.list();
  for (const { name, number } of pins) {
    const pin = found.find((it) => it.name === name);
    const isSame = pin?.position === ledger.positionOf(number) && !pin.broken;
    if (!isSame) throw new Broken('every acknowledged commit is there', `pin ${name} is not`);
  }
}

async function contentsOf(store: Store): Promise<Contents> {
  try {
    return await observed(store);
  } catch (error) {
    throw new Broken(blame(String(error)), String(error), error);
  }
}

async function verified(store: Store): Promise<void> {
  const { findings } = await store.verify();
  const [first] = findings;
  if (first !== undefined) throw new Broken(blame(first.file), `${first.file}: ${first.message}`);
}

function blame(text: string): Invariant {
  return /blobs|artifact/.test(text)
    ? 'every named blob is whole'
    : 'run files and index equal the log';
}

function expectSame(expected: Contents, actual: Contents, invariant: Invariant): void {
  const runs = differing(expected, actual);
  if (runs.length > 0) throw new Broken(invariant, `runs ${runs.join(', ')} differ`);
}

async function writeRun(store: Store): Promise<Run> {
  try {
    return await store.runs.create({ id: 'after the crash', workflow: 'crash' });
  } catch (error) {
    if (!isStoreError(error)) throw error;
    throw new Broken('the store accepts writes', error.message, error);
  }
}

async function closed(store: Store): Promise<void> {
  try {
    await store.close();
  } catch (error) {
    throw new Broken('the store accepts writes', String(error), error);
  }
}
