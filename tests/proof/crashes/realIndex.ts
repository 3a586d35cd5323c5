import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type FileSystem, openStore, realFileSystem } from '../../../src/index.ts';
import type { OpenInWorld, Side } from '../../../src/testkit.ts';
import { makeMemoryFolder } from '../../fixtures/memoryFolder.ts';
import { TINY } from './subject.ts';

const INDEX = /^index\.db/;

/**
 * A store whose disk is simulated, except for what SQLite opens by itself: its index and its lock lie
 * in a real folder.
 */
export class RealIndex implements Side {
  readonly open: OpenInWorld;
  readonly #base = makeMemoryFolder('holdfast-index-');
  readonly #folder = join(this.#base, 'store', 'index');

  constructor() {
    mkdirSync(this.#folder, { recursive: true });
    const root = dirname(this.#folder);
    this.open = (world) => {
      const fileSystem = this.#over(world.fileSystem);
      return openStore(`file:${root}`, { ...world, ...TINY, fileSystem, lockWaitMs: 0 });
    };
  }

  take(): ReadonlyMap<string, Buffer> {
    const names = readdirSync(this.#folder).filter((name) => INDEX.test(name));
    return new Map(names.map((name) => [name, readFileSync(join(this.#folder, name))]));
  }

  put(files: ReadonlyMap<string, Buffer>): void {
    for (const name of readdirSync(this.#folder)) rmSync(join(this.#folder, name));
    for (const [name, bytes] of files) writeFileSync(join(this.#folder, name), bytes);
  }

  remove(): void {
    rmSync(this.#base, { recursive: true, force: true });
  }

  #isReal(path: string): boolean {
    if (dirname(path) === this.#folder) return INDEX.test(basename(path));
    return path === join(dirname(this.#folder), 'lock.db');
  }

  #over(simulated: FileSystem): FileSystem {
    const at = (path: string) => (this.#isReal(path) ? realFileSystem : simulated);
    return {
      open: (path, flags, mode) => at(path).open(path, flags, mode),
      mkdir: (path, options) => simulated.mkdir(path, options),
      readdir: async (path) => {
        const names = await simulated.readdir(path);
        return path === this.#folder ? [...names, ...this.take().keys()] : names;
      },
      rename: async (from, to) => {
        if (!this.#isReal(to)) return simulated.rename(from, to);
        // An empty file, for SQLite to fill.
        writeFileSync(to, '');
        await simulated.unlink(from);
      },
      link: (from, to) => simulated.link(from, to),
      unlink: (path) => at(path).unlink(path),
      rmdir: (path) => simulated.rmdir(path),
      stat: (path) => at(path).stat(path),
      lstat: (path) => at(path).lstat(path),
      chmod: (path, mode) => at(path).chmod(path, mode),
      symlink: (target, path) => at(path).symlink(target, path),
      readlink: (path) => at(path).readlink(path),
      realpath: (path) => at(path).realpath(path),
    };
  }
}
