import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const SOURCES = ['src', 'tests/proof/crashes'];

/** What came of all rounds so far. */
interface Totals {
  readonly rounds: number;
  readonly whole: number;
  readonly crashes: number;
}

interface Kept extends Totals {
  /** Of the sources that were explored: of others nothing is known. */
  readonly sources: string;
  /** How many states there are in the file beside it; one that was written half has more. */
  readonly states: number;
}

const NONE: Totals = { rounds: 0, whole: 0, crashes: 0 };

/** Images of the disk that were seen, each by what tells it apart. */
class States extends Set<string> {
  /** Those that are not kept yet. */
  fresh: string[] = [];

  override add(key: string): this {
    if (!this.has(key)) this.fresh.push(key);
    return super.add(key);
  }
}

/**
 * How far an exploration has come, round by round; in a file, so that one of hours may be stopped at
 * any time and goes on where it was, as long as the sources are the same.
 */
export class Progress {
  readonly states = new States();
  totals: Totals = NONE;
  readonly #file: string | undefined;
  readonly #sources: string;

  constructor(file: string | undefined) {
    this.#file = file;
    this.#sources = file === undefined ? '' : digestOfSources();
    if (file !== undefined) this.#load(file);
  }

  /** One more round is done. */
  add(round: Omit<Totals, 'rounds'>): void {
    const { rounds, whole, crashes } = this.totals;
    this.totals = {
      rounds: rounds + 1,
      whole: whole + round.whole,
      crashes: crashes + round.crashes,
    };
    if (this.#file !== undefined) this.#save(this.#file);
    this.states.fresh = [];
  }

  #save(file: string): void {
    const { totals, states } = this;
    appendFileSync(`${file}.states`, states.fresh.map((key) => `${key}\n`).join(''));
    const kept: Kept = { ...totals, sources: this.#sources, states: states.size };
    writeFileSync(`${file}.new`, JSON.stringify(kept));
    renameSync(`${file}.new`, file);
  }

  #load(file: string): void {
    mkdirSync(dirname(file), { recursive: true });
    const kept = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Kept) : undefined;
    if (kept?.sources !== this.#sources) {
      rmSync(`${file}.states`, { force: true });
      return;
    }
    const lines = readFileSync(`${file}.states`, 'utf8').split('\n').slice(0, kept.states);
    for (const line of lines) this.states.add(line);
    this.states.fresh = [];
    writeFileSync(`${file}.states`, lines.map((line) => `${line}\n`).join(''));
    this.totals = { rounds: kept.rounds, whole: kept.whole, crashes: kept.crashes };
  }
}

function digestOfSources(): string {
  const hash = createHash('sha256');
  for (const folder of SOURCES) {
    const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
    for (const name of names.filter((it) => it.endsWith('.ts')).toSorted()) {
      hash.update(`${name}\n`).update(readFileSync(join(ROOT, folder, name)));
    }
  }
  return hash.digest('hex');
}
