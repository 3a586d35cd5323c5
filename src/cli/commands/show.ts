import type { Run, RunEvent, Step, Store } from '../../index.ts';
import type { Call, Verb } from '../call.ts';
import { EXIT } from '../failure.ts';
import { findRun } from '../findRun.ts';
import { fieldsOf, firstEvent, outputOf } from '../recording/outputEvent.ts';
import { type Gone, goneRecorders, isInterrupted, tookMs } from '../runState.ts';
import { coloured, goOnHint, markOf } from '../statusMark.ts';
import { duration, fit, lastLines, padTo, plain, time } from '../text.ts';
import { timeline, windowOf } from '../timeline.ts';

const LINES = 2;
const RECENT_EVENTS = 200;

export const show: Verb = {
  name: 'show',
  summary: 'one run with its steps, the time they took and what they wrote last',
  define: (command) =>
    command.argument('<run>', 'its id, a unique beginning or end of it, or `last`'),
  run: (call) =>
    call.withStore('read', async (store) => {
      const run = await findRun(store, call.args[0] ?? '');
      const steps: Step[] = [];
      for await (const step of store.steps.list(run.id, { limit: 1_000 })) steps.push(step);
      if (call.json) {
        await call.object({ ...run, steps });
        return EXIT.ok;
      }
      const recent = await recentEvents(store, run, steps);
      const gone = await goneRecorders(call, [run, ...steps]);
      const now = isInterrupted(run, gone)
        ? lastSeen(run, steps, recent)
        : call.context.clock.now();
      for (const line of describe(call, { run, steps, recent, gone, now })) await call.line(line);
      if (isInterrupted(run, gone)) await call.note(goOnHint(run));
      return EXIT.ok;
    }),
};

/** What running steps wrote last stands only in the newest events; ended ones carry it with them. */
async function recentEvents(
  store: Store,
  run: Run,
  steps: readonly Step[],
): Promise<readonly RunEvent[]> {
  if (!steps.some(({ status }) => status === 'running')) return [];
  const end = await firstEvent(store, run.id, () => false);
  const after = Math.max(0, end - 1 - RECENT_EVENTS);
  return (await store.events.list(run.id, { after, limit: RECENT_EVENTS })).items;
}

/** The last that was recorded of a run whose recorder is gone: for it the clock stopped there. */
function lastSeen(run: Run, steps: readonly Step[], recent: readonly RunEvent[]): number {
  const times = [run, ...steps].map(({ updatedAt }) => updatedAt.getTime());
  return Math.max(...times, ...recent.map(({ recordedAt }) => recordedAt.getTime()));
}

interface Shown {
  readonly run: Run;
  readonly steps: readonly Step[];
  readonly recent: readonly RunEvent[];
  readonly gone: Gone;
  /** When what runs is taken to end. Milliseconds since 1970. */
  readonly now: number;
}

function describe(call: Call, { run, steps, recent, gone, now }: Shown): readonly string[] {
  const { columns } = call.context;
  const { bold, dim } = call.colours;
  const { icon, word } = markOf(run, gone);
  const head = [
    coloured(call.colours, run, gone, `${icon} ${bold(plain(run.workflow))}  ${word}`),
    ...facts(run, gone, now).map(([name, value]) =>
      fit(`  ${padTo(name, 9)} ${plain(value)}`, columns).replace(name, () => dim(name)),
    ),
  ];
  if (steps.length === 0) return head;
  const rows = steps.map((step) => rowOf(step, gone, now));
  const widths = columnWidths(rows, columns);
  const window = windowOf(run, steps, now);
  const body = steps.flatMap((step, i) => {
    const bar = timeline(step, window, widths.bar, now);
    const cells = (rows[i] ?? []).map((cell, n) =>
      padTo(fit(cell, widths.cells[n] ?? 0), widths.cells[n] ?? 0),
    );
    const line = `  ${markOf(step, gone).icon} ${cells.join('  ')}  ${bar}`.trimEnd();
    const below = detailsOf(step, recent).map((text) => dim(fit(`      ${text}`, columns)));
    return [coloured(call.colours, step, gone, line), ...below];
  });
  return [...head, '', ...body];
}

function facts(run: Run, gone: Gone, now: number): readonly (readonly [string, string])[] {
  const tags = Object.entries(run.tags).map(([key, value]) => `${key}=${value}`);
  const ms = tookMs(run, now);
  const metrics = Object.entries(run.metrics).map(([key, value]) => `${key}=${value}`);
  const all: readonly (readonly [string, string | undefined])[] = [
    ['run', run.id],
    ['project', run.project ?? undefined],
    ['created', time(run.createdAt)],
    [
      'took',
      ms === undefined
        ? undefined
        : `${isInterrupted(run, gone) ? 'at least ' : ''}${duration(ms)}`,
    ],
    ['attempt', run.attempt > 1 ? String(run.attempt) : undefined],
    ['tags', tags.join(' ') || undefined],
    ['metrics', metrics.join(' ') || undefined],
    ['error', run.error?.message],
    ['reason', run.reason ?? undefined],
  ];
  return all.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

function rowOf(step: Step, gone: Gone, now: number): readonly string[] {
  const { startedAt, endedAt } = step;
  const took =
    startedAt === null ? '' : duration((endedAt?.getTime() ?? now) - startedAt.getTime());
  const attempts = step.attempt > 1 ? `attempt ${step.attempt}` : '';
  return [plain(step.name), markOf(step, gone).word, attempts, took];
}

// Two for the indent, one for the mark and a space; two between columns.
const MARGIN = 4;
const GAP = 2;
const NAME_SHARE = 0.3;
const BAR_MIN = 10;

function columnWidths(
  rows: readonly (readonly string[])[],
  columns: number,
): { readonly cells: readonly number[]; readonly bar: number } {
  const longest = (n: number): number => Math.max(...rows.map((row) => row[n]?.length ?? 0));
  const name = Math.min(longest(0), Math.floor(columns * NAME_SHARE));
  const cells = [name, longest(1), longest(2), longest(3)];
  const used = MARGIN + cells.reduce((sum, width) => sum + width + GAP, 0);
  return { cells, bar: Math.max(BAR_MIN, columns - used) };
}

/** Why it ended so, and the last of what it wrote. */
function detailsOf(step: Step, recent: readonly RunEvent[]): readonly string[] {
  const why = step.error?.message ?? step.reason;
  const { tail, incomplete } = fieldsOf(step.output);
  const written = typeof tail === 'string' ? tail : textOf(step, recent);
  const lines = lastLines(written, LINES).map((line) => `│ ${line}`);
  const missing =
    typeof incomplete === 'string'
      ? [`its recorded output is incomplete: ${plain(incomplete)}`]
      : [];
  return [...(why === null ? [] : [plain(why)]), ...missing, ...lines];
}

function textOf(step: Step, recent: readonly RunEvent[]): string {
  const chunks = recent.flatMap((event) => {
    const output = event.stepId === step.id ? outputOf(event) : undefined;
    return output === undefined ? [] : [output.data];
  });
  return Buffer.concat(chunks).toString('utf8');
}
