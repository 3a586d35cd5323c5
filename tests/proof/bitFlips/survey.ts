import {
  createMemoryFileSystem,
  FILE_STORE_DEFAULTS,
  type FileSystem,
  openStore,
  type Store,
} from '../../../src/index.ts';
import { ManualClock, SeededRandom } from '../../../src/testkit.ts';
import type { Damage } from '../../../src/testkit/bitFlips.ts';
import { type DiskImage, putImage, takeImage } from '../../../src/testkit/simulatedDisk.ts';
import { type Answers, readAnswers } from './answers.ts';
import { JournalFacts } from './journal.ts';
import { judge, type Outcome, Wrong } from './judge.ts';
import { type SmallStore, TUNING } from './smallStore.ts';

/** Where a store in memory has its folder. */
const ROOT = '/holdfast';

/** What became of damaged stores. */
export interface SurveyResult {
  readonly judged: number;
  /** How often each verdict was given. */
  readonly counts: Readonly<Record<string, number>>;
  readonly wrong: readonly string[];
}

/** Judges damage until too much of it is wrong to be read. */
export async function surveyEach(
  small: SmallStore,
  damages: Iterable<Damage>,
  verdictOf: (damage: Damage) => Promise<string>,
): Promise<SurveyResult> {
  const counts: Record<string, number> = {};
  const wrong: string[] = [];
  let judged = 0;
  for (const damage of damages) {
    judged++;
    try {
      const verdict = await verdictOf(damage);
      counts[verdict] = (counts[verdict] ?? 0) + 1;
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      wrong.push(`${small.name} store, ${damage.file}, ${damage.what}: ${error.message}`);
      if (wrong.length >= WRONG_MAX) break;
    }
  }
  return { judged, counts, wrong };
}

const WRONG_MAX = 10;

const expectations = new WeakMap<SmallStore, ReturnType<typeof expectationsOf>>();

/** Opens a store in memory from each damaged image, asks it everything, and judges what it did. */
export async function surveyDamage(
  small: SmallStore,
  damages: Iterable<Damage>,
): Promise<SurveyResult> {
  const expecting = expectations.get(small) ?? expectationsOf(small);
  expectations.set(small, expecting);
  const expected = await expecting;
  return surveyEach(small, damages, async (damage) => {
    const image = damage.inflict();
    const outcome = await openAndAsk(small, image, damage.file);
    const content = small.image.files.get(damage.file) as Buffer;
    const damaged = image.files.get(damage.file) as Buffer;
    return judge(damage, outcome, { ...expected, content, damaged });
  });
}

/** What the undamaged store answers, whole and cut after each commit of its newest segment. */
export async function expectationsOf(small: SmallStore) {
  const journal = new JournalFacts(small.image);
  const answersOf = async (image: DiskImage): Promise<Answers> => {
    const outcome = await openAndAsk(small, image);
    if ('refusal' in outcome) throw outcome.refusal;
    return outcome.answers;
  };
  const cuts = new Map<number, Answers>();
  for (const position of [journal.before, ...journal.newestPositions].slice(0, -1)) {
    if (!journal.isSealed)
      cuts.set(position, await answersOf(journal.cutAfter(small.image, position)));
  }
  return { answers: await answersOf(small.image), cuts, journal, root: ROOT };
}

async function openAndAsk(small: SmallStore, image: DiskImage, file?: string): Promise<Outcome> {
  const fileSystem = createMemoryFileSystem();
  await putInto(fileSystem, image);
  const clock = new ManualClock();
  clock.ms = small.ms;
  const options = { ...TUNING, fileSystem, clock, random: new SeededRandom(1) };
  try {
    const store = await openStore('memory:', options);
    let answered: Awaited<ReturnType<typeof ask>>;
    try {
      answered = await ask(store, small.start);
    } finally {
      // What the log has and no file is written now; otherwise closing does it.
      if (small.isClosed) clock.advance(FILE_STORE_DEFAULTS.quietMs);
      await store.close();
    }
    const left = file === undefined ? undefined : await readWhole(fileSystem, `${ROOT}${file}`);
    return { ...answered, left };
  } catch (refusal) {
    return { refusal };
  }
}

async function ask(store: Store, start: string) {
  const answers = await readAnswers(store, start);
  const { findings } = await store.verify();
  const { bytesLeftBehind } = (await store.stats()).recovery;
  return { answers, findings, bytesLeftBehind };
}

async function readWhole(fileSystem: FileSystem, path: string): Promise<Buffer | undefined> {
  const image = await takeImage(fileSystem);
  return image.files.get(path);
}

/** All but the index: a store in memory has its own. */
async function putInto(fileSystem: FileSystem, { folders, files }: DiskImage): Promise<void> {
  const isKept = (path: string) => !path.startsWith('/index');
  const kept = [...files].filter(([path]) => isKept(path));
  await putImage(fileSystem, {
    folders: [ROOT, ...folders.filter(isKept).map((path) => `${ROOT}${path}`)],
    files: new Map(kept.map(([path, content]) => [`${ROOT}${path}`, content])),
  });
}
