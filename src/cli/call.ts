import type { Command } from 'commander';
import pc from 'picocolors';
import { isStoreError, type Store } from '../index.ts';
import type { CommandContext } from './context.ts';
import type { Sink } from './sink.ts';
import { requireStore } from './storeFolder.ts';
import { StatusLine } from './terminal.ts';
import { json, plain } from './text.ts';

export const DEFAULT_STORE = 'file:./.holdfast';

/** One verb of the command line: what it takes, and what it does. `run` gives the exit code. */
export interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly define: (command: Command) => Command;
  readonly run: (call: Call) => Promise<number>;
}

export interface CommonOptions {
  readonly store?: string;
  readonly json?: boolean;
  readonly debug?: boolean;
  readonly color?: boolean;
}

export type Colours = ReturnType<typeof pc.createColors>;

/** One use of a verb: its arguments, and how it speaks. */
export class Call {
  readonly context: CommandContext;
  readonly args: readonly string[];
  readonly url: string;
  readonly json: boolean;
  /** Whether `--` stood before the arguments. */
  readonly dashes: boolean;
  /** For standard output and for standard error: only on a terminal, and unless told otherwise. */
  readonly colours: Colours;
  readonly errorColours: Colours;
  readonly status: StatusLine;
  /** What was given to the verb; each verb knows the names that it has defined. */
  readonly options: object;

  constructor(
    context: CommandContext,
    given: {
      readonly args: readonly string[];
      readonly options: object;
      readonly common: CommonOptions;
      readonly dashes: boolean;
    },
  ) {
    const { common } = given;
    this.context = context;
    this.args = given.args;
    this.dashes = given.dashes;
    this.options = given.options;
    this.url = common.store ?? (context.env['HOLDFAST_STORE'] || DEFAULT_STORE);
    this.json = common.json ?? false;
    const wanted = common.color !== false && !context.env['NO_COLOR'];
    this.colours = pc.createColors(wanted && context.terminal.stdout);
    this.errorColours = pc.createColors(wanted && context.terminal.stderr);
    this.status = new StatusLine(context.stderr, {
      clock: context.clock,
      columns: context.columns,
      enabled: context.terminal.stderr,
    });
  }

  /** A line for people, on standard output. */
  line(text: string): Promise<void> {
    return this.context.stdout.write(`${text}\n`);
  }

  /** A line about what is going on, on standard error: standard output belongs to results. */
  async note(text: string): Promise<void> {
    await this.status.clear();
    await this.context.stderr.write(`${text}\n`);
  }

  /** One value as one line of JSON. */
  object(value: unknown): Promise<void> {
    return writeObject(this.context.stdout, value);
  }

  /** Verbs that only look make no store, and look at a damaged one too. */
  async withStore<T>(mode: 'read' | 'write', work: (store: Store) => Promise<T>): Promise<T> {
    const { openStore, cwd, fileSystem } = this.context;
    if (mode === 'read') await requireStore(this.url, cwd, fileSystem);
    this.status.show(() => `opening ${this.url}; a busy store is waited for …`);
    const store = await (mode === 'read' ? this.#openToRead() : openStore(this.url));
    let result: T;
    try {
      await this.status.clear();
      result = await work(store);
    } catch (error) {
      await closeAfter(store, error);
      throw error;
    }
    await store.close();
    return result;
  }

  /** What stands before the damage can still be seen; it takes longer, for nothing is trusted. */
  async #openToRead(): Promise<Store> {
    const { openStore } = this.context;
    try {
      return await openStore(this.url, { create: false });
    } catch (error) {
      if (!isStoreError(error, 'JOURNAL_CORRUPT')) throw error;
      await this.note(`holdfast: ${plain(error.message)} — shown is what stands before it`);
      return openStore(this.url, { readOnly: true });
    }
  }
}

/** What went wrong first is what the caller hears; that closing failed too is kept as a detail. */
async function closeAfter(store: Store, error: unknown): Promise<void> {
  try {
    await store.close();
  } catch (closing) {
    if (error instanceof Error && error.cause === undefined) error.cause = closing;
  }
}

async function writeObject(sink: Sink, value: unknown): Promise<void> {
  await sink.write(`${json(value)}\n`);
}
