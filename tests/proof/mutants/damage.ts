// A plain process that changes single bits of acknowledged frames and looks whether the store of this
// copy refuses to open: the order comes as JSON in the first argument, the report goes to standard
// output as JSON.
import { createMemoryFileSystem, isStoreError, type Store } from '../../../src/index.ts';
import { type Invariant, ManualClock, SeededRandom } from '../../../src/testkit.ts';
import { putImage, takeImage } from '../../../src/testkit/simulatedDisk.ts';
import { openFileStore } from '../crashes/subject.ts';
import type { HuntReport } from './hunt.ts';

const JOURNAL = '/holdfast/journal/0000000001.ndjson';
const FLIPS = 300;

const { seed } = JSON.parse(process.argv[2] ?? '{}') as { readonly seed: number };
const random = new SeededRandom(seed);

function open(fileSystem = createMemoryFileSystem()): Promise<Store> {
  return openFileStore({ fileSystem, clock: new ManualClock(), random });
}

const whole = createMemoryFileSystem();
const store = await open(whole);
await store.runs.create({ id: 'r', workflow: 'w' });
for (let n = 0; n < 3; n++) await store.events.append('r', { type: 'e', payload: `number ${n}` });
const image = await takeImage(whole);
const journal = image.files.get(JOURNAL) as Buffer;
// The last frame says that all before it were durable; nothing says so of itself, and without the
// newline in front of it neither of the two is a line.
const proven = journal.lastIndexOf('\n{"position"');

/** What is wrong with a store that one bit of its journal was changed of, if anything. */
async function wrongWith(byte: number, bit: number): Promise<string | undefined> {
  const damaged = Buffer.from(journal);
  damaged.writeUInt8(damaged.readUInt8(byte) ^ (1 << bit), byte);
  const fileSystem = createMemoryFileSystem();
  await putImage(fileSystem, { ...image, files: new Map(image.files).set(JOURNAL, damaged) });
  try {
    const opened = await open(fileSystem);
    await opened.close();
    return `bit ${bit} of byte ${byte} was changed, and the store opens`;
  } catch (error) {
    if (isStoreError(error, 'JOURNAL_CORRUPT')) return undefined;
    return `bit ${bit} of byte ${byte} was changed: ${String(error)}`;
  }
}

let detail: string | undefined;
let states = 0;
for (; states < FLIPS && detail === undefined; states++) {
  detail = await wrongWith(random.below(proven), random.below(8));
}
await store.close();
const invariant: Invariant = 'every acknowledged commit is there';
const where = { workload: 'damage', seed, event: states, life: 1 } as const;
const broken = detail === undefined ? undefined : { ...where, invariant, detail };
process.stdout.write(JSON.stringify({ states, broken } satisfies HuntReport));
