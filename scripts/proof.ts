// The figures that the proofs of the last test run left, one a line. With `--write` they also go into
// docs/reliability.md; with `--clear` they are forgotten.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
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
  'database-histories',
  'database-commands',
  'database-sigkill',
  'database-server-kill',
  'database-restore',
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

/** Prints all of them. Whether every proof was made and holds. */
async function print(lines: string[]): Promise<boolean> {
  let holds = true;
  for (const name of PROOFS) {
    const figure = await figureOf(name);
    for (const why of figure?.skipped ?? []) lines.push(`skipped: ${why}`);
    lines.push(figure === undefined ? `${name}: not proven in this run` : lineOf(figure));
    if (figure?.broken !== 0) holds = false;
  }
  for (const line of lines) console.log(line);
  return holds;
}

function lineOf({ line, seed }: Figure): string {
  return `${line} (seed ${seed})`;
}

const page = join(import.meta.dirname, '..', 'docs', 'reliability.md');

/** Replaces what stands between the marks of this command. */
async function write(lines: readonly string[]): Promise<void> {
  const isSoak = (await figureOf(PROOFS[0] ?? ''))?.soak === true;
  const mark = `<!-- figures: npm run test${isSoak ? ':soak' : ''} -->`;
  const [before, after] = (await readFile(page, 'utf8')).split(`${mark}\n`);
  const rest = after?.slice(after.indexOf('<!-- /figures -->'));
  if (rest === undefined) throw new Error(`${page} has no ${mark}`);
  const command = isSoak ? 'npm run test:soak' : 'npm test';
  const figures = ['```text', `$ ${command}`, ...lines, '```'].join('\n');
  await writeFile(page, `${before}${mark}\n\n${figures}\n\n${rest}`);
}

if (process.argv.includes('--clear')) await clear();
else {
  const lines: string[] = [];
  process.exitCode = (await print(lines)) ? 0 : 1;
  if (process.argv.includes('--write')) await write(lines);
}
