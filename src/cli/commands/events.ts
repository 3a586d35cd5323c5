import type { Run, RunEvent, Store } from '../../index.ts';
import type { Call, Verb } from '../call.ts';
import { EXIT } from '../failure.ts';
import { findRun } from '../findRun.ts';
import { followRun } from '../followRun.ts';
import { outputOf } from '../recording/outputEvent.ts';
import { goneRecorders, isInterrupted } from '../runState.ts';
import { goOnHint } from '../statusMark.ts';
import { bytes, fit, json, lastLines, padTo, plain, time } from '../text.ts';
import { wholeNumber } from '../values.ts';

interface EventsOptions {
  readonly after?: number;
  readonly type?: string;
  readonly follow?: boolean;
}

const PAGE = 100;
const FOLLOW =
  'then wait for more, until the run has ended or Ctrl-C. In a database it shows a `record` at work; a ' +
  'folder it owns while it waits, so that no other process records there';

export const events: Verb = {
  name: 'events',
  summary: 'the events of a run, in order',
  define: (command) =>
    command
      .argument('<run>', 'its id, a unique beginning or end of it, or `last`')
      .option('--after <seq>', 'only those after this number', wholeNumber)
      .option('--type <type>', 'only of this type')
      .option('--follow', FOLLOW),
  run: (call) =>
    call.withStore('read', async (store) => {
      const run = await findRun(store, call.args[0] ?? '');
      const { follow, type, after } = call.options as EventsOptions;
      const print = async (event: RunEvent): Promise<void> => {
        if (type !== undefined && event.type !== type) return;
        await (call.json ? call.object(event) : call.line(lineOf(call, event)));
      };
      const interrupted = isInterrupted(run, await goneRecorders(call, [run]));
      if (follow === true && !interrupted) await tail(call, store, run, after, print);
      else
        for await (const event of store.events.list(run.id, { after, limit: PAGE }))
          await print(event);
      if (follow === true && interrupted && !call.json) await call.note(goOnHint(run));
      return EXIT.ok;
    }),
};

async function tail(
  call: Call,
  store: Store,
  run: Run,
  after: number | undefined,
  print: (event: RunEvent) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const stopListening = call.context.onSignal(() => stop.abort());
  try {
    await followRun(store, run.id, { after, signal: stop.signal }, print);
  } finally {
    stopListening();
  }
}

function lineOf(call: Call, event: RunEvent): string {
  const head = [
    padTo(String(event.seq), 6),
    time(event.occurredAt),
    padTo(plain(event.stepId ?? ''), 12),
    padTo(plain(event.type), 15),
  ].join('  ');
  const line = `${head}  ${event.payload === null ? '' : textOf(event)}`.trimEnd();
  return call.context.terminal.stdout ? fit(line, call.context.columns) : line;
}

/** Of output the last line in it; `…` stands where the chunk was cut inside a line, or has more. */
function textOf(event: RunEvent): string {
  const output = outputOf(event);
  if (output === undefined) return json(event.payload);
  const text = output.data.toString('utf8');
  const lines = lastLines(text, 2);
  const before = lines.length > 1 ? '… ' : '';
  const behind = text.endsWith('\n') ? '' : '…';
  return `${output.source} ${bytes(output.data.length)} │ ${before}${lines.at(-1) ?? ''}${behind}`;
}
