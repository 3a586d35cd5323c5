import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { proveApart } from '../../fixtures/proof.ts';
import type { Edit } from './mutant.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const SOURCES = [
  'package.json',
  'src',
  'tests/fixtures',
  'tests/proof/crashes',
  'tests/proof/mutants',
];

/** A temporary copy of the sources, in which they can be changed. */
export class SourceCopy {
  readonly #folder = mkdtempSync(join(tmpdir(), 'holdfast-mutants-'));

  constructor() {
    for (const path of SOURCES) {
      cpSync(join(ROOT, path), join(this.#folder, path), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(this.#folder, 'node_modules'));
  }

  /**
   * Runs the copy's `script`, named by the original, under these edits, and takes them back. Resolves
   * with what it printed, as JSON; rejects when an edit does not fit the sources any more.
   */
  async run<T>(edits: readonly Edit[], script: URL, argument: object): Promise<T> {
    const touched = new Set(edits.map(({ file }) => file));
    const originals = new Map([...touched].map((file) => [file, this.#read(file)]));
    try {
      for (const it of edits) this.#apply(it);
      const inCopy = join(this.#folder, relative(ROOT, fileURLToPath(script)));
      // What stays the same from one mutant to the next is compiled once.
      const env = { ...process.env, NODE_COMPILE_CACHE: join(this.#folder, 'compiled') };
      return await proveApart<T>(pathToFileURL(inCopy), argument, env);
    } finally {
      for (const [file, text] of originals) this.#write(file, text);
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #apply({ file, find, replace }: Edit): void {
    const parts = this.#read(file).split(find);
    if (parts.length !== 2) {
      const times = parts.length - 1;
      throw new Error(`the mutant does not fit: ${file} has ${times} times, not once:\n${find}`);
    }
    this.#write(file, parts.join(replace));
  }

  #read(file: string): string {
    return readFileSync(join(this.#folder, file), 'utf8');
  }

  #write(file: string, text: string): void {
    writeFileSync(join(this.#folder, file), text);
  }
}
