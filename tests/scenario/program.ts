import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { ROOT } from './document.ts';

export interface Program {
  /** Where it is written and run. */
  readonly folder: string;
  readonly text: string;
  /** Places that it names, and what is connected to instead. Default: none. */
  readonly places?: Readonly<Record<string, string>>;
}

const SURFACE = pathToFileURL(join(ROOT, 'src/index.ts')).href;

const FILES = pathToFileURL(join(ROOT, 'src/files.ts')).href;

/**
 * Runs a program that imports `holdfast` as if it were installed, in a process of its own, and returns
 * what it printed, as JSON. Rejects when it fails, or says anything on standard error.
 */
export async function runProgram({ folder, text, places = {} }: Program): Promise<unknown> {
  await writeFile(join(folder, 'program.ts'), text);
  const args = ['--no-warnings', '--import', await mapping(folder, places), 'program.ts'];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: folder });
  if (stderr !== '') throw new Error(`the program said: ${stderr}`);
  return JSON.parse(stdout);
}

async function mapping(folder: string, places: Program['places']): Promise<string> {
  const library = join(folder, 'holdfast.mjs');
  await writeFile(
    library,
    `import * as real from '${SURFACE}';
    export * from '${SURFACE}';
    const places = ${JSON.stringify(places)};
    export const connectDatabase = (at, ...rest) => real.connectDatabase(places[at] ?? at, ...rest);
    export const openStore = (at, ...rest) => real.openStore(places[at] ?? at, ...rest);`,
  );
  const hooks = join(folder, 'mapping.mjs');
  await writeFile(
    hooks,
    `import { registerHooks } from 'node:module';
    registerHooks({
      resolve: (name, context, next) => {
        if (name === 'holdfast/files') return { url: '${FILES}', shortCircuit: true };
        return name === 'holdfast'
          ? { url: '${pathToFileURL(library).href}', shortCircuit: true }
          : next(name, context);
      },
    });`,
  );
  return pathToFileURL(hooks).href;
}
