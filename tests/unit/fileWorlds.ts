import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileSystem } from '../../src/index.ts';
import { realFileSystem } from '../../src/lib/ports/fileSystem.ts';
import { createMemoryFileSystem } from '../../src/lib/ports/memoryFileSystem.ts';
import { FileOperationService } from '../../src/lib/store/FileSystemStore/FileOperationService.ts';
import { noFileLock } from '../../src/lib/store/FileSystemStore/lock.ts';
import { SeededRandom, SimulatedDisk } from '../../src/testkit.ts';
import { SEED } from '../fixtures/proof.ts';

/** A disk for one test, and an empty folder on it. */
export interface FileWorld {
  readonly fs: FileSystem;
  readonly folder: string;
  readonly files: FileOperationService;
  /** A service on another view of the same disk, as `faulty` makes one. */
  readonly serviceOn: (fs: FileSystem) => FileOperationService;
  readonly at: (name: string) => string;
  readonly close: () => Promise<void>;
  /** `undefined` where there is no such file. */
  readonly text: (name: string) => Promise<string | undefined>;
}

async function realWorld(): Promise<FileWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-files-'));
  const close = () => rm(folder, { recursive: true, force: true });
  return worldOf(realFileSystem, folder, (fs) => new FileOperationService(fs), close);
}

/** Nobody else sees it, and so a lock in the file system would exclude nobody. */
const apart = (fs: FileSystem) => new FileOperationService(fs, { lockFile: noFileLock });

async function memoryWorld(): Promise<FileWorld> {
  const fs = createMemoryFileSystem();
  await fs.mkdir('/files', { mode: 0o700 });
  return worldOf(fs, '/files', apart, async () => {});
}

async function simulatedWorld(): Promise<FileWorld> {
  const { fileSystem } = new SimulatedDisk({ random: new SeededRandom(SEED), turnsMax: 3 });
  await fileSystem.mkdir('/files', { mode: 0o700 });
  return worldOf(fileSystem, '/files', apart, async () => {});
}

function worldOf(
  fs: FileSystem,
  folder: string,
  serviceOn: FileWorld['serviceOn'],
  close: FileWorld['close'],
): FileWorld {
  const files = serviceOn(fs);
  const at = (name: string) => join(folder, name);
  const text = async (name: string) => {
    const bytes = await files.readIfPresent(at(name));
    return bytes === undefined ? undefined : Buffer.from(bytes).toString();
  };
  return { fs, folder, files, serviceOn, at, text, close };
}

export const FILE_WORLDS = [
  { disk: 'the real disk', open: realWorld },
  { disk: 'the simulated disk', open: simulatedWorld },
  { disk: 'a disk in memory', open: memoryWorld },
] as const;

/** Time enough for calls on a disk in memory to come to their end, if nothing holds them. */
export async function turns(): Promise<void> {
  for (let n = 0; n < 100; n++) await new Promise((resolve) => setImmediate(resolve));
}
