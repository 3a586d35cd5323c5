import { hash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect, isDeepStrictEqual } from 'node:util';
import {
  createMemoryFileSystem,
  type FileHandle,
  type FileSystem,
  openStore,
  realFileSystem,
} from '../../../src/index.ts';
import { ManualClock, SeededRandom } from '../../../src/testkit.ts';
import type { Damage } from '../../../src/testkit/bitFlips.ts';
import { type DiskImage, putImage } from '../../../src/testkit/simulatedDisk.ts';
import { type Answer, type Answers, INDEX_FILTERS, readAnswers } from './answers.ts';
import { Wrong } from './judge.ts';
import { type SmallStore, TUNING } from './smallStore.ts';
import { surveyEach, type SurveyResult } from './survey.ts';

/**
 * Opens a store whose index was damaged, from each image, in a folder on the disk, for SQLite reads
 * the real one: the index is to be built anew, or to give the right answer to every question.
 */
export async function surveyIndexDamage(
  small: SmallStore,
  damages: Iterable<Damage>,
): Promise<SurveyResult> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-flips-'));
  try {
    const { answers: expected } = await openAndAsk(small, small.image, folder);
    return await surveyEach(small, damages, async ({ inflict }) => {
      const { answers, rebuilt, findings } = await opened(small, inflict(), folder);
      if (findings.length > 0) throw new Wrong(`verify finds ${JSON.stringify(findings)}`);
      requireSame(answers, expected);
      return rebuilt ? 'index rebuilt' : 'index right';
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function opened(small: SmallStore, image: DiskImage, folder: string) {
  try {
    return await openAndAsk(small, image, folder);
  } catch (error) {
    throw new Wrong(`it does not open: ${String(error)}`, { cause: error });
  }
}

function requireSame(answers: Answers, expected: Answers): void {
  for (const [question, want] of expected) {
    const got = answers.get(question);
    if (isDeepStrictEqual(got, want)) continue;
    throw new Wrong(`${question}: ${told(got)} instead of ${JSON.stringify(want)}`);
  }
}

/** The bits of a file whose flip leaves the checksum as it is that a clean close has noted. */
export function undetectedFlips(
  { files }: DiskImage,
  file: string,
  bits: readonly number[],
): readonly number[] {
  const mark = JSON.parse(String(files.get('/index/closed.json'))) as { readonly digest: string };
  const content = Buffer.from(files.get(file) as Buffer);
  const digest = () => `sha256:${hash('sha256', content)}`;
  if (digest() !== mark.digest) throw new Error(`${file} does not have the digest of its mark`);
  return bits.filter((bit) => {
    const [byte, whole] = [bit >> 3, content[bit >> 3] as number];
    content[byte] = whole ^ (1 << (bit & 7));
    const isSame = digest() === mark.digest;
    content[byte] = whole;
    return isSame;
  });
}

function told(answer: Answer | undefined): string {
  return answer !== undefined && 'error' in answer ? inspect(answer.error) : JSON.stringify(answer);
}

async function openAndAsk(small: SmallStore, image: DiskImage, folder: string) {
  const root = join(folder, 'data');
  putIndex(root, image);
  const fileSystem = await onlyIndexOnDisk(root, image);
  const clock = new ManualClock();
  clock.ms = small.ms;
  const options = { ...TUNING, fileSystem, clock, random: new SeededRandom(1), lockWaitMs: 0 };
  const store = await openStore(`file:${root}`, options);
  try {
    const answers = await readAnswers(store, small.start, INDEX_FILTERS);
    const { findings } = await store.verify();
    const { indexRebuilt } = (await store.stats()).recovery;
    return { answers, findings, rebuilt: indexRebuilt };
  } finally {
    await store.close();
  }
}

/** What SQLite opens by itself; the folder of the one before goes. */
function putIndex(root: string, { files }: DiskImage): void {
  rmSync(join(root, 'index'), { recursive: true, force: true });
  mkdirSync(join(root, 'index'), { recursive: true });
  for (const [path, content] of files) {
    if (path.startsWith('/index/')) writeFileSync(join(root, path), content, { mode: 0o600 });
  }
}

/** The index and the lock on the disk, where SQLite finds them, and all else in memory. */
async function onlyIndexOnDisk(root: string, image: DiskImage): Promise<FileSystem> {
  const memory = createMemoryFileSystem();
  await memory.mkdir(root, { recursive: true });
  await putImage(memory, {
    folders: image.folders.map((path) => `${root}${path}`),
    files: new Map(
      [...image.files]
        .filter(([path]) => !path.startsWith('/index/'))
        .map(([path, content]) => [`${root}${path}`, content]),
    ),
  });
  const real = new Set([join(root, 'index'), join(root, 'lock.db')]);
  const at = (path: string): FileSystem =>
    real.has(path) || path.startsWith(join(root, 'index/')) ? realFileSystem : memory;
  return {
    open: async (path, ...rest) => withoutSyncs(await at(path).open(path, ...rest)),
    mkdir: (path, ...rest) => at(path).mkdir(path, ...rest),
    readdir: (path) => at(path).readdir(path),
    rename: (from, to) => at(from).rename(from, to),
    link: (from, to) => at(from).link(from, to),
    unlink: (path) => at(path).unlink(path),
    rmdir: (path) => at(path).rmdir(path),
    stat: (path) => at(path).stat(path),
    lstat: (path) => at(path).lstat(path),
    chmod: (path, mode) => at(path).chmod(path, mode),
    symlink: (target, path) => at(path).symlink(target, path),
    readlink: (path) => at(path).readlink(path),
    realpath: (path) => at(path).realpath(path),
  };
}

/** What a sync is worth is proven elsewhere; here it only takes time. */
function withoutSyncs(handle: FileHandle): FileHandle {
  return {
    write: (...args) => handle.write(...args),
    read: (...args) => handle.read(...args),
    stat: () => handle.stat(),
    truncate: (length) => handle.truncate(length),
    sync: async () => undefined,
    datasync: async () => undefined,
    close: () => handle.close(),
  };
}
