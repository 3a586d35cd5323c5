import { resolve } from 'node:path';
import {
  connectDatabase,
  isStoreError,
  type Database,
  type MigrateOptions,
  type MigrationProgress,
  Migrator,
  ownMigrator,
} from '../../index.ts';
import type { Call, Verb } from '../call.ts';
import { systemCode } from '../errorFacts.ts';
import { CommandError, EXIT } from '../failure.ts';
import { isDatabase } from '../storeFolder.ts';
import { plain } from '../text.ts';
import { oneOf, repeated } from '../values.ts';
import { planLines, repairLines, resultLines, statusLines } from './migrateLines.ts';

const ACTIONS = ['up', 'down', 'status', 'plan', 'repair'] as const;
type Action = (typeof ACTIONS)[number];

interface MigrateVerbOptions {
  readonly directory?: string;
  readonly own?: boolean;
  readonly to?: string;
  readonly dryRun?: boolean;
  readonly allowDrift?: boolean;
  readonly acceptDrift?: boolean;
  readonly acceptEdited?: readonly string[];
}

const DEFAULT_FOLDER = 'migrations';

export const migrate: Verb = {
  name: 'migrate',
  summary: 'bring the schema of a database from version to version: up, down, status, plan, repair',
  define: (command) =>
    command
      .argument('<action>', `one of ${ACTIONS.join(', ')}`, (text) => oneOf(ACTIONS, text))
      .argument('[count]', 'for down: how many to undo (1), or the name that is to be the newest')
      .option(
        '--directory <folder>',
        `where the migrations are (./${DEFAULT_FOLDER}; without one, those of Holdfast itself)`,
      )
      .option('--own', 'those of Holdfast itself, for a store, whatever folder there is')
      .option('--to <name>', 'for up and plan: the last migration to apply')
      .option('--dry-run', 'for up and down: try it, and take everything back')
      .option('--allow-drift', 'for up and down: although somebody else changed the schema')
      .option('--accept-edited <name>', 'for repair: as it is now; may be repeated', repeated)
      .option('--accept-drift', 'for repair: the schema as it is now'),
  run: async (call) => {
    const [action = '', count] = call.args;
    if (count !== undefined && action !== 'down') {
      throw new CommandError(`${action} takes no ${count}`, 'see `holdfast migrate --help`');
    }
    if (!isDatabase(call.url)) {
      const remedy = 'name a database: --store postgres://…, or --store sqlite:./file.db';
      throw new CommandError(`${call.url} has no schema to migrate`, remedy);
    }
    const warnings: string[] = [];
    const onWarning = (message: string): void => void warnings.push(message);
    await using db = await connectDatabase(call.url, { onWarning });
    for (const warning of warnings) await call.note(`holdfast: ${plain(warning)}`);
    const migrator = await migratorFor(call, db);
    try {
      return await perform(call, oneOf(ACTIONS, action), migrator);
    } catch (error) {
      if (!isStoreError(error, 'INVALID_ARGUMENT')) throw error;
      const remedy = '`holdfast migrate status` lists the migrations, and which are applied';
      throw new CommandError(error.message, remedy, EXIT.usage, error);
    }
  },
};

/** A folder that was named has to be there; the default one may be missing. */
async function migratorFor(call: Call, db: Database): Promise<Migrator> {
  const { directory, own } = call.options as MigrateVerbOptions;
  const { cwd, fileSystem, clock } = call.context;
  const options = { lockTimeoutMs: call.waitMs, fileSystem, clock };
  if (own === true) {
    if (directory === undefined) return ownMigrator(db, options);
    const remedy = 'give one of them';
    throw new CommandError('--own takes no --directory: it has migrations of its own', remedy);
  }
  const folder = resolve(cwd, directory ?? DEFAULT_FOLDER);
  if (directory !== undefined) return new Migrator(db, { ...options, directory: folder });
  try {
    await fileSystem.stat(folder);
    return new Migrator(db, { ...options, directory: folder });
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    return ownMigrator(db, options);
  }
}

async function perform(call: Call, action: Action, migrator: Migrator): Promise<number> {
  const { to, acceptEdited, acceptDrift } = call.options as MigrateVerbOptions;
  switch (action) {
    case 'up':
      return changed(call, action, (options) => migrator.up({ ...options, to }));
    case 'down':
      return changed(call, action, (options) => migrator.down(wanted(call.args[1]), options));
    case 'plan': {
      const planned = await migrator.plan({ to });
      if (call.json) for (const one of planned) await call.object(one);
      else for (const line of planLines(planned, call.colours)) await call.line(line);
      return EXIT.ok;
    }
    case 'status': {
      const status = await migrator.status();
      if (call.json) await call.object(status);
      else for (const line of statusLines(status, call.colours)) await call.line(line);
      return status.problems.length + status.drift.length === 0 ? EXIT.ok : EXIT.refused;
    }
    case 'repair': {
      const repair = await migrator.repair({ acceptEdited, acceptDrift });
      if (call.json) await call.object(repair);
      else
        for (const line of repairLines(repair, acceptEdited ?? [], call.colours))
          await call.line(line);
      return EXIT.ok;
    }
  }
}

/** A number, or a name. */
function wanted(count: string | undefined): number | string {
  if (count === undefined) return 1;
  return /^\d{1,6}$/.test(count) ? Number(count) : count;
}

async function changed(
  call: Call,
  direction: 'up' | 'down',
  work: (options: MigrateOptions) => ReturnType<Migrator['up']>,
): Promise<number> {
  const { dryRun, allowDrift } = call.options as MigrateVerbOptions;
  const stop = new AbortController();
  const stopListening = call.context.onSignal(() => stop.abort());
  const onProgress = (progress: MigrationProgress): void =>
    call.status.show(() => describeProgress(progress));
  try {
    const result = await work({ dryRun, allowDrift, signal: stop.signal, onProgress });
    await call.status.clear();
    if (call.json) await call.object(result);
    else for (const line of resultLines(result, direction, call.colours)) await call.line(line);
    return EXIT.ok;
  } finally {
    stopListening();
  }
}

function describeProgress(progress: MigrationProgress): string {
  if (progress.phase === 'waiting') return `waiting for ${plain(progress.holder)} …`;
  const { direction, name, number, total } = progress;
  const doing = direction === 'up' ? 'applying' : 'undoing';
  return `${doing} ${number} of ${total}: ${plain(name)} …`;
}
