import { Option } from 'commander';
import { type Run, RUN_STATUSES, type RunStatus } from '../../index.ts';
import type { Call, Verb } from '../call.ts';
import { EXIT } from '../failure.ts';
import { type Gone, goneRecorders, isInterrupted, tookMs } from '../runState.ts';
import { coloured, goOnHint, markOf } from '../statusMark.ts';
import { columnsOf, duration, fit, padTo, plain, shortId, time } from '../text.ts';
import { type Moment, moment, oneOf, positive, tag } from '../values.ts';

interface LsOptions {
  readonly status?: readonly RunStatus[];
  readonly workflow?: string;
  readonly project?: string;
  readonly tag?: Readonly<Record<string, string>>;
  readonly since?: Moment;
  readonly until?: Moment;
  readonly limit?: number;
  readonly all?: boolean;
}

const LIMIT = 20;
const PAGE_MAX = 1_000;

/** Commander hands in `undefined` the first time. */
function status(text: string, before?: readonly RunStatus[]): readonly RunStatus[] {
  return [...(before ?? []), oneOf(RUN_STATUSES, text)];
}

export const ls: Verb = {
  name: 'ls',
  summary: 'list runs, newest first',
  define: (command) =>
    command
      .addOption(
        new Option(
          '--status <status>',
          `one of ${RUN_STATUSES.join(', ')}; may be repeated`,
        ).argParser(status),
      )
      .option('--workflow <name>', 'only of this workflow')
      .option('--project <name>', 'only of this project')
      .option('--tag <key=value>', 'only with this tag; may be repeated', tag)
      .option('--since <time>', 'created at or after: a date, or an age such as 2h', moment)
      .option('--until <time>', 'created before: a date, or an age such as 2h', moment)
      .option('--limit <count>', `at most so many (${LIMIT})`, positive)
      .option('--all', 'all of them'),
  run: async (call) => {
    const options = call.options as LsOptions;
    const filter = filterOf(call, options);
    const limit = options.all === true ? Infinity : (options.limit ?? LIMIT);
    return call.withStore('read', (store) =>
      printRuns(call, store.runs.list({ ...filter, limit: Math.min(limit + 1, PAGE_MAX) }), limit),
    );
  },
};

function filterOf(call: Call, options: LsOptions) {
  const now = call.context.clock.now();
  return {
    status: options.status,
    workflow: options.workflow,
    project: options.project,
    tags: options.tag,
    createdAfter: options.since?.(now),
    createdBefore: options.until?.(now),
  };
}

const WORKFLOW_COLUMNS = 24;

async function printRuns(call: Call, runs: AsyncIterable<Run>, limit: number): Promise<number> {
  let printed = 0;
  let interrupted: Run | undefined;
  for await (const run of runs) {
    if (printed === limit) {
      if (!call.json) await call.note(`… and more: --limit ${limit * 2}, or --all`);
      break;
    }
    printed += 1;
    const gone = await goneRecorders(call, [run]);
    if (isInterrupted(run, gone)) interrupted ??= run;
    if (call.json) await call.object(run);
    else await call.line(rowOf(call, run, gone));
  }
  if (call.json) return EXIT.ok;
  if (printed === 0) await call.note('no run matches');
  if (interrupted !== undefined) await call.note(goOnHint(interrupted));
  return EXIT.ok;
}

function rowOf(call: Call, run: Run, gone: Gone): string {
  const ms = isInterrupted(run, gone) ? undefined : tookMs(run, call.context.clock.now());
  const took = ms === undefined ? '' : duration(ms);
  const { icon, word } = markOf(run, gone);
  const start = [
    padTo(`${icon} ${word}`, 13),
    padTo(shortId(run.id), 12),
    padTo(fit(plain(run.workflow), WORKFLOW_COLUMNS), 14),
    time(run.createdAt),
    padTo(took, 6),
  ].join('  ');
  const tags = Object.entries(run.tags).map(([key, value]) => `${key}=${value}`);
  const room = call.context.columns - columnsOf(start) - 2;
  const rest = call.context.terminal.stdout
    ? fit(plain(tags.join(' ')), room)
    : plain(tags.join(' '));
  return coloured(call.colours, run, gone, `${start}  ${rest}`.trimEnd());
}
