import type { Store } from '../../../src/index.ts';
import type { DiskImage } from '../../../src/testkit/simulatedDisk.ts';
import { busy, ended, type Round, type StartName } from './operation.ts';
import { type PlaceName, World } from './world.ts';

export type Starts = Readonly<Record<StartName, DiskImage>>;

const NOTHING: DiskImage = { folders: [], files: new Map() };
const TEMPORARY = `.holdfast-${'0123456789ab'.repeat(2)}.tmp`;

/** The disks that operations begin with, each made once. */
export async function makeStarts(
  place: PlaceName,
  rounds: readonly Round[],
  seed: number,
): Promise<Starts> {
  const make = (image: DiskImage) => World.make(place, { image, seed, mutant: {} });
  const first = await make(NOTHING);
  const store = await first.open();
  for (const round of rounds) await fill(first, store, { round });
  await store.close();
  const closed = await first.image();
  first.remove();

  const second = await make(closed);
  const reopened = await second.open();
  for (const round of rounds) await writeOn(reopened, { round });
  await second.settled();
  const killed = withLeftovers(await second.image());
  await reopened.close();
  second.remove();
  return {
    nothing: NOTHING,
    closed,
    killed,
    'without index': without(killed, /\/index\//),
    damaged: withDamage(closed),
  };
}

async function fill(world: World, store: Store, at: { readonly round: Round }): Promise<void> {
  const id = busy(at);
  await store.runs.create({ id, workflow: 'w', input: { n: 1 }, tags: { kind: 'busy' } });
  await store.runs.update(id, { status: 'running', worker: 'me' });
  await store.steps.create(id, { id: 'ready', name: 'ready', input: 'in' });
  await store.steps.create(id, { id: 'failed', name: 'failed' });
  await store.steps.update(id, 'failed', { status: 'running' });
  const error = { name: 'Error', message: 'it broke' };
  await store.steps.update(id, 'failed', { status: 'failed', error });
  await store.artifacts.put(id, { name: 'page', body: 'small' });
  await store.artifacts.put(id, { name: 'page', body: `large ${'l'.repeat(700)}` });
  await store.runs.create({ id: ended(at), workflow: 'w' });
  await store.runs.update(ended(at), { status: 'failed', error });
  // Each pass of the checkpointer leaves one part more.
  for (let part = 1; part <= 2; part++) {
    for (let n = 1; n <= 2; n++) {
      const payload = `${part}.${n} ${'e'.repeat(200)}`;
      await store.events.append(id, { type: 'e', payload, idempotencyKey: `${part}.${n}` });
    }
    world.clock.advance(10);
    await world.settled();
  }
}

/** Commits that only the journal holds; the last batch of three is not proven durable. */
async function writeOn(store: Store, at: { readonly round: Round }): Promise<void> {
  await store.artifacts.put(busy(at), { name: 'late', body: 'late bytes' });
  await store.runs.create({ id: `new-of-killed-${at.round}`, workflow: 'w' });
  const append = (n: number) => store.events.append(busy(at), { type: 'last', payload: n });
  await Promise.all([append(1), append(2), append(3)]);
}

const isSegment = (path: string): boolean => /\/journal\/\d{10}\.ndjson$/.test(path);

function newestSegment({ files }: DiskImage): string {
  const newest = [...files.keys()].filter(isSegment).toSorted().at(-1);
  if (newest === undefined) throw new Error('there is no journal');
  return newest;
}

/** Unfinished files where they are made, and the beginning of a frame that never was whole. */
function withLeftovers(image: DiskImage): DiskImage {
  const files = new Map(image.files);
  const newest = newestSegment(image);
  const torn = Buffer.from(files.get(newest) ?? '');
  const end = torn.findLastIndex((byte) => byte !== 0x0a) + 2;
  torn.write('{"position":99,"at":"20', end);
  files.set(newest, torn);
  for (const folder of image.folders)
    files.set(`${folder}/${TEMPORARY}`, Buffer.from('unfinished'));
  return { ...image, files };
}

/** The header of the newest segment is no header any more. */
function withDamage(image: DiskImage): DiskImage {
  const files = new Map(image.files);
  const newest = newestSegment(image);
  const damaged = Buffer.from(files.get(newest) ?? '');
  damaged.write('broken', 10);
  return { ...image, files: files.set(newest, damaged) };
}

function without(image: DiskImage, pattern: RegExp): DiskImage {
  return { ...image, files: new Map([...image.files].filter(([path]) => !pattern.test(path))) };
}
