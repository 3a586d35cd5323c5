import { spawnSync } from 'node:child_process';
import { expect } from '@jest/globals';
import { Page } from './document.ts';

/** Reads a store with the commands of `docs/format.md`, and with nothing else. */

export const page = new Page('docs/format.md');

const functions = page
  .blocks('sh')
  .filter((block) => /^\w+\(\) \{/.test(block))
  .join('\n');
const recipes = page.recipes('sh');
const [valueFunction = ''] = page.blocks('jq');

/** A reader without them cannot follow the page, and so these tests cannot pass. */
export function requireTools(): void {
  for (const tool of ['jq', 'sha256sum', 'gzip']) {
    const { error } = spawnSync(tool, ['--version']);
    if (error === undefined) continue;
    throw new Error(`${tool} is not installed: these tests decode a store with it`);
  }
}

/** What a command prints inside a store, with the functions of the page at hand. */
export function shell(command: string, store: string, input = ''): string {
  const { status, stdout, stderr } = spawnSync('sh', ['-ec', `${functions}\n${command}`], {
    cwd: store,
    env: { ...process.env, LC_ALL: 'C' },
    input,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

function linesOf(text: string): string[] {
  return text.split('\n').slice(0, -1);
}

/** The lines that a command of the page prints; `run` is the run that it speaks of. */
export function recipe(name: string, store: string, run = ''): string[] {
  const command = recipes.get(name);
  if (command === undefined) throw new Error(`docs/format.md has no command called ${name}`);
  return linesOf(shell(`run='${run}'\n${command}`, store));
}

export function jsonLines(command: string, store: string): Record<string, unknown>[] {
  const lines = linesOf(shell(command, store));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The page's table of what a row leaves out: `status` `"queued"`; …; `null`: `a`, `b`. */
function defaultsOf(row: string): Record<string, unknown> {
  const defaults: Record<string, unknown> = {};
  for (const part of page.row(row)[1]?.split('; ') ?? []) {
    if (part.startsWith('`null`: ')) {
      for (const [, name = ''] of part.slice(8).matchAll(/`(\w+)`/g)) defaults[name] = null;
    } else {
      const [, name = '', value = ''] = /^`(\w+)` `?([^` ]+)/.exec(part) ?? [];
      if (value !== 'as') defaults[name] = JSON.parse(value);
    }
  }
  return defaults;
}

const work = defaultsOf('all work (runs, steps)');
const DEFAULTS = {
  run: { ...work, ...defaultsOf('run, more') },
  step: { ...work, ...defaultsOf('step, more') },
  event: defaultsOf('event'),
  artifact: defaultsOf('artifact'),
};

/** A filter that decodes the payloads of every row with the function of the page. */
const DECODED = `${valueFunction} walk(if type == "object" then with_entries(
  if .key | IN("input", "output", "metadata", "payload") then .value |= value else . end) else . end)`;

/** Everything that the commands of the page say of a store, by run id. */
export function decoded(store: string): Map<string, unknown> {
  const states = jsonLines(`state | jq -c '${DECODED}'`, store);
  const whole = (kind: keyof typeof DEFAULTS) => (row: object) => ({ ...DEFAULTS[kind], ...row });
  return new Map(
    states.map((state) => {
      const run = state['run'] as { readonly id: string };
      const rows = jsonLines(`events '${run.id}' | jq -c '${DECODED}'`, store);
      const events = rows.map((row) => {
        return { occurredAt: row['recordedAt'], ...whole('event')(row) };
      });
      const steps = (state['steps'] as object[]).map(whole('step'));
      const artifacts = (state['artifacts'] as object[]).map(whole('artifact'));
      return [run.id, { run: whole('run')(run), steps, events, artifacts }];
    }),
  );
}
