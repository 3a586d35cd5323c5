import { type Definition, Registry } from '../../index.ts';
import type { Call, Verb } from '../call.ts';
import { CommandError, EXIT } from '../failure.ts';
import { count, plain } from '../text.ts';
import { named, oneOf, repeated } from '../values.ts';
import { readJsonObject } from './registryFiles.ts';
import {
  definitionLine,
  historyLine,
  overviewLines,
  summaryLine,
  usageLines,
} from './registryLines.ts';

const OPTIONS = ['input', 'output', 'kind', 'tag', 'undo'] as const;

interface RegistryVerbOptions {
  readonly input?: string;
  readonly output?: string;
  readonly kind?: string;
  readonly tag?: readonly string[];
  readonly undo?: boolean;
}

interface Action {
  /** The arguments behind it; those in brackets may be left out. */
  readonly usage: string;
  readonly options: readonly (typeof OPTIONS)[number][];
  readonly run: (call: Call, args: readonly string[]) => Promise<void>;
}

const NAMES = [
  'publish',
  'resolve',
  'list',
  'show',
  'history',
  'tag',
  'untag',
  'rollback',
  'deprecate',
  'yank',
  'usage',
] as const;

const ACTIONS: Readonly<Record<(typeof NAMES)[number], Action>> = {
  publish: {
    usage: '<name> <version> <manifest.json>',
    options: ['input', 'output', 'kind', 'tag'],
    run: publish,
  },
  resolve: {
    usage: '<name[@version|@range|@tag]>',
    options: [],
    run: (call, [ref = '']) => printed(call, (definitions) => definitions.resolve(ref)),
  },
  list: { usage: '', options: ['kind'], run: list },
  show: { usage: '<name>', options: [], run: show },
  history: { usage: '<name>', options: [], run: history },
  tag: {
    usage: '<name> <tag> <version>',
    options: [],
    run: (call, [name = '', tag = '', version = '']) =>
      printed(call, (definitions) => definitions.tag(name, tag, version)),
  },
  untag: { usage: '<name> <tag>', options: [], run: untag },
  rollback: {
    usage: '<name> [tag]',
    options: [],
    run: (call, [name = '', tag]) =>
      printed(call, (definitions) => definitions.rollback(name, tag)),
  },
  deprecate: {
    usage: '<name> <version> [reason]',
    options: ['undo'],
    run: (call, [name = '', version = '', reason]) => {
      const wanted = reasonOf(call, 'deprecate', reason);
      return printed(call, (definitions) => definitions.deprecate(name, version, wanted));
    },
  },
  yank: {
    usage: '<name> <version> [reason]',
    options: ['undo'],
    run: (call, [name = '', version = '', reason]) => {
      const wanted = reasonOf(call, 'yank', reason);
      return printed(call, (definitions) => definitions.yank(name, version, wanted));
    },
  },
  usage: { usage: '<name[@version|@range|@tag]>', options: [], run: usage },
};

export const registry: Verb = {
  name: 'registry',
  summary: `versioned definitions that runs execute: ${NAMES.join(', ')}`,
  define: (command) =>
    command
      .usage(NAMES.map((name) => `${name} ${ACTIONS[name].usage}`).join('\n       … registry '))
      .argument('<action>', `one of ${NAMES.join(', ')}`, (text) => oneOf(NAMES, text))
      .argument('[args...]', 'as above; a version is such as 1.2.0, a range such as ^1.2')
      .option('--input <file>', 'for publish: the JSON Schema of inputs')
      .option('--output <file>', 'for publish: the JSON Schema of outputs')
      .option('--kind <kind>', 'for publish and list: agent, template, tool, workflow, …', named)
      .option('--tag <tag>', 'for publish: a tag of this version; may be repeated', repeated)
      .option('--undo', 'for deprecate and yank: take it back'),
  run: async (call) => {
    const [action = '', ...args] = call.args;
    const name = oneOf(NAMES, action);
    checkUse(call, name, args);
    await ACTIONS[name].run(call, args);
    return EXIT.ok;
  },
};

function checkUse(call: Call, name: (typeof NAMES)[number], args: readonly string[]): void {
  const { usage, options } = ACTIONS[name];
  const words = usage.split(' ').filter((word) => word !== '');
  const needed = words.filter((word) => word.startsWith('<')).length;
  const remedy = `use: holdfast registry ${[name, ...words].join(' ')}`;
  if (args.length < needed || args.length > words.length) {
    throw new CommandError(`${name} does not take ${count(args.length, 'argument')}`, remedy);
  }
  const given = call.options as RegistryVerbOptions;
  const misplaced = OPTIONS.find((one) => given[one] !== undefined && !options.includes(one));
  if (misplaced !== undefined) throw new CommandError(`${name} takes no --${misplaced}`, remedy);
}

/** Who only looks, or changes what is there, makes no store. */
function withRegistry<T>(call: Call, work: (definitions: Registry) => Promise<T>): Promise<T> {
  return call.withStore('read', (store) => work(new Registry(store)));
}

async function publish(call: Call, [name = '', version = '', file = '']: readonly string[]) {
  const { input, output, kind, tag } = call.options as RegistryVerbOptions;
  const manifest = await readJsonObject(call, file);
  const options = {
    input: input === undefined ? undefined : await readJsonObject(call, input),
    output: output === undefined ? undefined : await readJsonObject(call, output),
    kind,
    tags: tag,
  };
  await call.withStore('write', async (store) => {
    await print(call, await new Registry(store).publish(name, version, manifest, options));
  });
}

function printed(call: Call, work: (definitions: Registry) => Promise<Definition>): Promise<void> {
  return withRegistry(call, async (definitions) => print(call, await work(definitions)));
}

/** On standard output stands what `resolve` takes again; what to mind stands on standard error. */
async function print(call: Call, definition: Definition): Promise<void> {
  if (call.json) return call.object(definition);
  await call.line(definitionLine(definition));
  for (const warning of definition.warnings) await call.note(`holdfast: ${plain(warning)}`);
}

async function list(call: Call): Promise<void> {
  const { kind } = call.options as RegistryVerbOptions;
  let found = 0;
  await withRegistry(call, async (definitions) => {
    for await (const definition of definitions.list({ kind, limit: 1_000 })) {
      found += 1;
      await (call.json ? call.object(definition) : call.line(summaryLine(definition)));
    }
  });
  if (found === 0 && !call.json) await call.note('no definition matches');
}

async function show(call: Call, [name = '']: readonly string[]): Promise<void> {
  const overview = await withRegistry(call, (definitions) => definitions.describe(name));
  if (call.json) return call.object(overview);
  for (const line of overviewLines(overview, call.colours)) await call.line(line);
}

async function history(call: Call, [name = '']: readonly string[]): Promise<void> {
  await withRegistry(call, async (definitions) => {
    for await (const entry of definitions.history(name, { limit: 1_000 })) {
      await (call.json ? call.object(entry) : call.line(historyLine(entry)));
    }
  });
}

async function untag(call: Call, [name = '', tag = '']: readonly string[]): Promise<void> {
  await withRegistry(call, (definitions) => definitions.untag(name, tag));
  if (call.json) await call.object({ name, tag });
  else await call.line(`${plain(name)} has no tag ${plain(tag)} any more`);
}

async function usage(call: Call, [ref = '']: readonly string[]): Promise<void> {
  const used = await withRegistry(call, (definitions) => definitions.usage(ref));
  if (call.json) return call.object(used);
  for (const line of usageLines(used)) await call.line(line);
}

/** Why, or null to take it back: one of them has to be said. */
function reasonOf(call: Call, verb: string, reason: string | undefined): string | null {
  const { undo = false } = call.options as RegistryVerbOptions;
  if (undo !== (reason === undefined)) {
    throw new CommandError(`${verb} takes a reason, or --undo`, 'give one of them');
  }
  return reason ?? null;
}
