// The figures that the proofs of the last test run left, one a line; with `--clear` it forgets them.
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

interface Figure {
  readonly name: string;
  readonly line: string;
  readonly broken: number;
  readonly skipped?: readonly string[];
  readonly seed: number;
  readonly soak: boolean;
}

/** Each proof of docs/reliability.md, in its order. */
const PROOFS = [
  'crash-states',
  'mutants',
  'faults',
  'failed-syncs',
  'sigkill',
  'real-full',
  'real-damage',
  'real-gone',
  'real-permissions',
  'real-power',
  'real-calls',
  'bit-flips',
  'histories',
  'commands',
];

const folder = join(import.meta.dirname, '..', 'coverage', 'proof');

async function figureOf(name: string): Promise<Figure | undefined> {
  const text = await readFile(join(folder, `${name}.json`), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Figure);
}

async function clear(): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
}

/** Whether every proof was made and holds. */
async function print(): Promise<boolean> {
  let holds = true;
  for (const name of PROOFS) {
    const figure = await figureOf(name);
    for (const why of figure?.skipped ?? []) console.log(`skipped: ${why}`);
    console.log(figure === undefined ? `${name}: not proven in this run` : lineOf(figure));
    if (figure?.broken !== 0) holds = false;
  }
  return holds;
}

function lineOf({ line, seed, soak }: Figure): string {
  return `${line} (${soak ? 'soak, ' : ''}seed ${seed})`;
}

if (process.argv.includes('--clear')) await clear();
else process.exitCode = (await print()) ? 0 : 1;
