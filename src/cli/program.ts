import { Command, CommanderError } from 'commander';
import { Call, type CommonOptions, type Verb, WAIT_MS } from './call.ts';
import { artifacts } from './commands/artifacts.ts';
import { cat } from './commands/cat.ts';
import { events } from './commands/events.ts';
import { ls } from './commands/ls.ts';
import { migrate } from './commands/migrate.ts';
import { record } from './commands/record.ts';
import { registry } from './commands/registry.ts';
import { repair } from './commands/repair.ts';
import { resume } from './commands/resume.ts';
import { show } from './commands/show.ts';
import { stats } from './commands/stats.ts';
import { verify } from './commands/verify.ts';
import type { CommandContext } from './context.ts';
import { describeFailure, EXIT, exitCodeOf } from './failure.ts';
import { isBrokenPipe } from './sink.ts';
import { DEFAULT_STORE } from './storeFolder.ts';
import { wait } from './values.ts';
import { VERSION } from './version.ts';

const VERBS: readonly Verb[] = [
  record,
  resume,
  ls,
  show,
  events,
  artifacts,
  cat,
  verify,
  repair,
  stats,
  migrate,
  registry,
];

/** Runs `holdfast` with these arguments and gives the exit code. It never rejects. */
export async function runProgram(
  argv: readonly string[],
  context: CommandContext,
): Promise<number> {
  const written: Promise<void>[] = [];
  let code: number = EXIT.ok;
  const program = buildProgram(context, {
    dashes: argv.includes('--'),
    write: (text) => written.push(context.stdout.write(text)),
    done: (result) => (code = result),
  });
  try {
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync(argv, { from: 'user' });
    await Promise.all(written);
    return code;
  } catch (error) {
    await Promise.allSettled(written);
    return fail(error, argv, context);
  }
}

async function fail(
  error: unknown,
  argv: readonly string[],
  context: CommandContext,
): Promise<number> {
  // The reader has seen enough (`holdfast ls | head`): that is not a failure.
  if (isBrokenPipe(error)) return EXIT.ok;
  const code = exitCodeOf(error);
  if (error instanceof CommanderError && code === EXIT.ok) return code;
  const own = new Set(argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv);
  const form = { json: own.has('--json'), debug: own.has('--debug') };
  try {
    await context.stderr.write(describeFailure(error, form));
  } catch (unheard) {
    if (!isBrokenPipe(unheard)) throw unheard;
  }
  return code;
}

interface Wiring {
  readonly dashes: boolean;
  readonly write: (text: string) => void;
  readonly done: (code: number) => void;
}

function buildProgram(context: CommandContext, wiring: Wiring): Command {
  const program = withCommonOptions(
    new Command('holdfast').description(
      'Records commands as durable runs, and shows what was recorded. A folder has one owner at a ' +
        'time: while `record` runs there, every other verb waits (see --wait). A database is open ' +
        'to several at once.',
    ),
  )
    .version(VERSION)
    .enablePositionalOptions()
    .exitOverride()
    // The one line of a usage error is written where every other error is: see `fail`.
    .configureOutput({ writeOut: wiring.write, outputError: () => undefined });
  for (const verb of VERBS) addVerb(program, verb, context, wiring);
  return program;
}

function addVerb(program: Command, verb: Verb, context: CommandContext, wiring: Wiring): void {
  const command = withCommonOptions(program.command(verb.name).description(verb.summary));
  verb.define(command);
  command.action(async () => {
    const args = verb.takesLateOptions?.(wiring.dashes ? [] : command.args)
      ? withLateOptions(command)
      : command.args;
    const own = command.opts<CommonOptions>();
    const outer = program.opts<CommonOptions>();
    const color = own.color !== false && outer.color !== false;
    const call = new Call(context, {
      args,
      options: own,
      common: { ...outer, ...own, color },
      dashes: wiring.dashes,
    });
    try {
      wiring.done(await verb.run(call));
    } finally {
      await call.status.clear();
    }
  });
}

/** Takes options out of the arguments after the first; gives the arguments that are left. */
function withLateOptions(command: Command): readonly string[] {
  const [first = '', ...rest] = command.args;
  const { operands, unknown } = command.passThroughOptions(false).parseOptions(rest);
  if (unknown[0] !== undefined) command.error(`unknown option '${unknown[0]}'`);
  return [first, ...operands];
}

/** They stand before or after the verb. Without defaults here: what is set further in wins. */
function withCommonOptions(command: Command): Command {
  return command
    .option(
      '--store <place>',
      'where the runs are kept: a folder, file:, sqlite: or postgres: URL ' +
        `(HOLDFAST_STORE, or ${DEFAULT_STORE})`,
    )
    .option(
      '--wait <duration>',
      `how long to wait while another process has the folder (${WAIT_MS / 1_000}s)`,
      wait,
    )
    .option('--json', 'one line of JSON per result, for programs')
    .option('--debug', 'show where an error comes from')
    .option('--no-color', 'no colours (as with NO_COLOR)');
}
