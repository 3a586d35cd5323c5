// npm run bench -- [--only a,b] [--quick] [--json] [--write] [--debug]
//                  [--runs 100000] [--events 1000000]
import { writeFile } from 'node:fs/promises';
import { cpus, type } from 'node:os';
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { startPostgres } from '../tests/services/postgres.ts';
import { openAt } from './contenders/holdfast.ts';
import { databaseLists } from './databaseLists.ts';
import { databasePeers } from './databasePeers.ts';
import { fileWrites } from './fileWrites.ts';
import { fillStore } from './harness/filledStore.ts';
import { type Context, meets, type Question } from './harness/question.ts';
import { type Answer, asJson, asMarkdown, asText, type Report } from './harness/report.ts';
import { syncMs, type Workspace, workspace } from './harness/workspace.ts';
import { longRun } from './longRun.ts';
import { manyCallers } from './manyCallers.ts';
import { oneCaller } from './oneCaller.ts';
import { opening } from './opening.ts';
import { peers } from './peers.ts';
import { postgresCallers } from './postgresCallers.ts';
import { serviceLevels } from './serviceLevels.ts';
import { sqliteCallers } from './sqliteCallers.ts';
import { storedRuns } from './storedRuns.ts';

const questions: readonly Question[] = [
  oneCaller,
  manyCallers,
  storedRuns,
  longRun,
  opening,
  peers,
  postgresCallers,
  databasePeers,
  sqliteCallers,
  databaseLists,
  fileWrites,
  serviceLevels,
];

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    debug: { type: 'boolean', default: false },
    runs: { type: 'string' },
    events: { type: 'string' },
  },
});

const terminal = process.stderr.isTTY;
function progress(text: string): void {
  if (terminal) process.stderr.write(`\r\u001b[2K${text}`);
}

type Servers = Pick<Context, 'database'> & AsyncDisposable;

/** Started by the first question that wants it. */
function servers(): Servers {
  let started: ReturnType<typeof startPostgres> | undefined;
  return {
    async database() {
      started ??= startPostgres({ isOnDisk: true });
      return (await (await started).createDatabase()).url;
    },
    [Symbol.asyncDispose]: async () => (await started)?.stop(),
  };
}

function contextOf(space: Workspace, { database }: Servers): Context {
  const filled = new Map<number, Promise<string>>();
  const fill = async (runs: number): Promise<string> => {
    const folder = await space.folder(`filled-${runs}`);
    await using store = await openAt(folder);
    await fillStore(store, runs, (done) => progress(`storing runs: ${done} of ${runs}`));
    return folder;
  };
  return {
    folder: (name) => space.folder(name),
    database,
    filledStore(runs) {
      const made = filled.get(runs) ?? fill(runs);
      filled.set(runs, made);
      return made;
    },
    quick: options.quick,
    sizes: {
      runs: Number(options.runs ?? (options.quick ? 2_000 : 100_000)),
      events: Number(options.events ?? (options.quick ? 20_000 : 1_000_000)),
    },
    progress,
  };
}

/** A question that fails does not keep the others from being answered. */
async function answer(question: Question, context: Context): Promise<Answer> {
  try {
    return { question, figures: await question.ask(context) };
  } catch (error) {
    progress('');
    process.exitCode = 1;
    if (options.debug) console.error(error);
    return {
      question,
      figures: [],
      failure: error instanceof Error ? error.message : String(error),
    };
  }
}

async function measure(asked: readonly Question[]): Promise<Report> {
  const started = performance.now();
  await using space = await workspace();
  await using postgres = servers();
  const context = contextOf(space, postgres);
  const machine = {
    node: process.versions.node,
    platform: type(),
    cpus: `${cpus().length} processors`,
    syncMs: await syncMs(await space.folder('sync')),
  };
  const answers: Answer[] = [];
  for (const question of asked) {
    answers.push(await answer(question, context));
  }
  progress('');
  return {
    machine,
    quick: options.quick,
    seconds: (performance.now() - started) / 1000,
    answers,
  };
}

const only = options.only?.split(',');
const unknown = only?.filter((id) => !questions.some((question) => question.id === id)) ?? [];
if (unknown.length > 0) {
  const known = questions.map(({ id, title }) => `  ${id}  ${title}`).join('\n');
  console.error(`bench: there is no question ${unknown.join(', ')}; there are:\n${known}`);
  process.exit(2);
}
const report = await measure(questions.filter(({ id }) => only?.includes(id) ?? true));

const paint = (text: string, good: boolean): string =>
  process.stdout.isTTY ? styleText(good ? 'green' : 'red', text) : text;
console.log(options.json ? asJson(report) : asText(report, paint));

const smaller = options.quick || (options.runs ?? options.events) !== undefined;
const whole = !smaller && only === undefined && process.exitCode === undefined;
if (options.write && !whole) {
  console.error('bench: --write needs all questions answered in full; nothing was written');
  process.exitCode = 2;
} else if (options.write) {
  await writeFile(join(import.meta.dirname, '..', 'docs', 'benchmarks.md'), asMarkdown(report));
}
const missed = report.answers.flatMap(({ figures }) => figures).filter((f) => meets(f) === false);
if (missed.length > 0 && !options.json) {
  console.log(`${missed.length} of the targets were missed in this run`);
}
