import { resolve } from 'node:path';
import { attempt, type Disk, isDone } from './disk.ts';
import { temporaryBeside } from './temporaries.ts';

/**
 * Out of sight → durable → gone. A removal that a failed sync has lost could not be made anew if
 * nothing were left to remove (W3): so the names come back then, and the removal can be repeated.
 */
export class Removals {
  readonly #disk: Disk;
  /** By name: where the file is, out of sight. */
  readonly #away = new Map<string, string>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  async removeAll(paths: readonly string[]): Promise<void> {
    try {
      for (const path of paths) {
        // As far as it is still away: an earlier try could not even bring it back.
        await this.#bringBack(path);
        await this.#takeAway(path);
      }
      await this.#disk.syncs.sync(paths);
    } catch (error) {
      for (const path of paths) await attempt(() => this.#bringBack(path));
      throw error;
    }
    for (const path of paths) await this.#drop(path);
  }

  async #takeAway(path: string): Promise<void> {
    const temporary = temporaryBeside(this.#disk, path);
    this.#away.set(path, temporary);
    this.#disk.inUse.add(resolve(temporary));
    if (!(await this.#rename(path, temporary, path))) this.#forget(path, temporary);
  }

  async #bringBack(path: string): Promise<void> {
    const temporary = this.#away.get(path);
    if (temporary === undefined) return;
    await this.#rename(temporary, path, path);
    this.#forget(path, temporary);
  }

  /** What stays goes with the other temporary files. */
  async #drop(path: string): Promise<void> {
    const temporary = this.#away.get(path);
    if (temporary === undefined) return;
    this.#forget(path, temporary);
    await attempt(() => this.#disk.fs.unlink(temporary));
  }

  #forget(path: string, temporary: string): void {
    this.#away.delete(path);
    this.#disk.inUse.delete(resolve(temporary));
  }

  /** `false` where there is nothing to rename: there was none, or an earlier failure was none. */
  #rename(from: string, to: string, changed: string): Promise<boolean> {
    const { fs, syncs } = this.#disk;
    return isDone(() => syncs.change(changed, () => fs.rename(from, to)));
  }
}
