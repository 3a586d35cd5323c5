import { basename, resolve } from 'node:path';
import { messageOf, systemCode } from '../errorFacts.ts';
import type { JsonValue, Store } from '../../index.ts';
import type { Call, Verb } from '../call.ts';
import { CommandError, EXIT } from '../failure.ts';
import { readText } from '../recording/files.ts';
import { checkPlan, type Plan } from '../recording/plan.ts';
import { startPlan } from '../recording/startPlan.ts';
import { named, positive, repeated, tag } from '../values.ts';
import { afterCloseFailure, perform, type Performed } from '../recordRun.ts';

interface RecordOptions {
  readonly workflow?: string;
  readonly project?: string;
  readonly name?: string;
  readonly tag?: Readonly<Record<string, string>>;
  readonly artifact?: readonly string[];
  readonly jobs?: number;
  readonly live?: boolean;
  readonly quiet?: boolean;
}

export const record: Verb = {
  name: 'record',
  summary: 'run a command, or a plan of commands, and record it as a durable run',
  define: (command) =>
    command
      .usage('[options] -- command args…\n       holdfast record [options] plan.json')
      .argument('<command...>', 'a command after `--`, or a file that ends in .json')
      .passThroughOptions()
      .option('--workflow <name>', 'what is run (the name of the command, or of the plan)', named)
      .option('--project <name>', 'what it belongs to', named)
      .option('--name <step>', 'the name of the one step (the name of the command)', named)
      .option('--tag <key=value>', 'a tag of the run; may be repeated', tag)
      .option('--artifact <glob>', 'keep the files that match; may be repeated', repeated)
      .option('--jobs <count>', 'steps of a plan at once (the number of processors)', positive)
      .option('--live', "pass the output of a plan's steps through as it comes")
      .option('--quiet', 'no words of our own unless something fails'),
  run: recordRun,
  takesLateOptions: ([first = '']) => isPlanFile(first),
};

function isPlanFile(name: string): boolean {
  return name.endsWith('.json');
}

const OTHER_PLAN = /\.(ya?ml|toml|jsonc|json5)$/i;

async function recordRun(call: Call): Promise<number> {
  const options = call.options as RecordOptions;
  const [first = '', second] = call.args;
  const isPlan = !call.dashes && isPlanFile(first);
  if (!call.dashes && (OTHER_PLAN.test(first) || (isPlan && second !== undefined))) {
    const message = isPlan
      ? `a plan takes no arguments: ${second}`
      : `${first} is no plan: plans are JSON, in a file that ends in .json`;
    throw new CommandError(message, 'a command stands after `--`: holdfast record -- …');
  }
  const plan = isPlan ? await planOf(call, first, options) : planOfCommand(call.args, options);
  const single = !isPlan;
  const work = async (store: Store): Promise<Performed> => {
    const { cwd } = call.context;
    const run = await startPlan(store, plan, { tags: options.tag, project: options.project, cwd });
    return perform(call, { ...options, store, run, plan, cwd, single });
  };
  const { code } = await call.withStore('write', work, afterCloseFailure(call));
  return code;
}

/** One command is a plan of one step: so it is recorded, shown and resumed like any other. */
function planOfCommand(command: readonly string[], options: RecordOptions): Plan {
  const name = options.name ?? basename(command[0] ?? '');
  const step = { name, run: command, artifacts: options.artifact };
  return checkPlan({ workflow: options.workflow ?? name, steps: [step] }, 'command');
}

async function planOf(call: Call, file: string, options: RecordOptions): Promise<Plan> {
  if (options.name !== undefined || options.artifact !== undefined) {
    const message = '--name and --artifact are for a single command';
    throw new CommandError(message, 'write them into the plan');
  }
  const plan = checkPlan(parse(await read(call, file), file));
  return options.workflow === undefined ? plan : { ...plan, workflow: options.workflow };
}

async function read(call: Call, file: string): Promise<string> {
  const { fileSystem, cwd } = call.context;
  try {
    return await readText(fileSystem, resolve(cwd, file));
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    const absent = code === 'ENOENT';
    const message = absent
      ? `there is no plan ${file}`
      : `the plan ${file} cannot be read: ${code}`;
    const remedy = 'check the path, and that it is a file that you may read';
    throw new CommandError(message, remedy, absent ? EXIT.notFound : EXIT.usage);
  }
}

function parse(text: string, file: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    const message = `the plan ${file} is not JSON: ${messageOf(error)}`;
    throw new CommandError(message, 'correct it at that place');
  }
}
