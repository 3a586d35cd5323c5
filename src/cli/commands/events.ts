import type { RunEvent, Store } from '../../index.ts';
import type { Call, Verb } from '../call.ts';
import { EXIT } from '../failure.ts';
import { findRun } from '../findRun.ts';
import { outputOf } from '../recording/outputEvent.ts';
import { fit, json, lastLines, padTo, plain } from '../text.ts';
import { wholeNumber } from '../values.ts';

interface EventsOptions {
  readonly after?: number;
  readonly type?: string;
  readonly follow?: boolean;
}

const PAGE = 100;

export const events: Verb = {
  name: 'events',
  summary: 'the events of a run, in order',
  define: (command) =>
    command
      .argument('<run>', 'its id, a unique beginning or end of it, or `last`')
      .option('--after <seq>', 'only those after this number', wholeNumber)
      .option('--type <type>', 'only of this type')
      .option('--follow', 'wait for new ones until Ctrl-C'),
  run: (call) =>
    call.withStore('read', async (store) => {
      const run = await findRun(store, call.args[0] ?? '');
      const { follow, ...options } = call.options as EventsOptions;
      if (follow === true) await tail(call, store, run.id, options);
      else
        await print(
          call,
          store.events.list(run.id, { after: options.after, limit: PAGE }),
          options,
        );
      return EXIT.ok;
    }),
};

async function tail(
  call: Call,
  store: Store,
  runId: string,
  options: EventsOptions,
): Promise<void> {
  const stop = new AbortController();
  const stopListening = call.context.onSignal(() => stop.abort());
  try {
    const { after } = options;
    await print(call, store.events.tail(runId, { after, signal: stop.signal }), options);
  } catch (error) {
    // Ctrl-C is how following ends.
    if (!stop.signal.aborted) throw error;
  } finally {
    stopListening();
  }
}

async function print(
  call: Call,
  found: AsyncIterable<RunEvent>,
  { type }: EventsOptions,
): Promise<void> {
  for await (const event of found) {
    if (type !== undefined && event.type !== type) continue;
    await (call.json ? call.object(event) : call.line(lineOf(call, event)));
  }
}

function lineOf(call: Call, event: RunEvent): string {
  const output = outputOf(event);
  const text =
    output === undefined
      ? json(event.payload)
      : `${output.source} ${output.data.length} B │ ${lastLines(output.data.toString('utf8'), 1).join('')}`;
  const clock = event.occurredAt.toISOString().slice(11, 23);
  const head = [
    padTo(String(event.seq), 6),
    clock,
    padTo(plain(event.stepId ?? ''), 12),
    padTo(plain(event.type), 15),
  ].join('  ');
  const line = `${head}  ${event.payload === null ? '' : text}`.trimEnd();
  return call.context.terminal.stdout ? fit(line, call.context.columns) : line;
}
