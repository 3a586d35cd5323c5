import type { FileSystem } from '../../src/index.ts';
import { FileOperationService } from '../../src/lib/store/FileSystemStore/FileOperationService.ts';
import { noFileLock } from '../../src/lib/store/FileSystemStore/lock.ts';
import { SeededRandom, SimulatedDisk } from '../../src/testkit.ts';
import { type DiskImage, fatesOf, imageOf, keyOf } from '../../src/testkit/simulatedDisk.ts';
import { SEED } from '../fixtures/proof.ts';

const serviceOn = (fs: FileSystem): FileOperationService =>
  new FileOperationService(fs, { lockFile: noFileLock });

interface Crash {
  /** `undefined` once `work` has resolved: what it promised is durable then. */
  readonly event: number | undefined;
  readonly image: DiskImage;
}

/** Torn writes of one moment that are tried, about. */
const TEARS_MAX = 24;

/**
 * What a power cut can leave on a simulated disk at each operation of `work`, and after it, in each of
 * the ways in which what is not durable can be decided. `prepare` is done, and durable, before.
 */
export async function crashesOf(
  prepare: (files: FileOperationService) => Promise<unknown>,
  work: (files: FileOperationService) => Promise<unknown>,
): Promise<readonly Crash[]> {
  const disk = new SimulatedDisk({ random: new SeededRandom(SEED) });
  const files = serviceOn(disk.fileSystem);
  await files.ensureFolder('/files');
  await prepare(files);
  const crashes = new Map<string, Crash>();
  const options = { random: new SeededRandom(SEED), stale: disk.stale, tearsMax: TEARS_MAX };
  const look = (event: number | undefined) => {
    for (const fate of fatesOf(disk.surface, options)) {
      const image = imageOf(disk.surface, fate);
      // The same image may be allowed at one moment, and not once the work was acknowledged.
      crashes.set(`${event === undefined} ${keyOf(image)}`, { event, image });
    }
  };
  disk.onEvent = look;
  await work(files);
  disk.onEvent = () => undefined;
  look(undefined);
  return [...crashes.values()];
}

/** Opens what a crash has left, and cleans up as a new owner does. */
export async function afterCrash({ image }: Crash): Promise<FileOperationService> {
  const disk = await SimulatedDisk.of(image, { random: new SeededRandom(SEED) });
  const files = serviceOn(disk.fileSystem);
  await files.removeTemporaries('/files', { recursive: true });
  return files;
}
