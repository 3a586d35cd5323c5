import type { Command } from 'commander';
import pc from 'picocolors';
import type { Store } from '../index.ts';
import type { CommandContext } from './context.ts';
import { type Mode, type Opened, openForVerb } from './openForVerb.ts';
import type { Sink } from './sink.ts';
import { DEFAULT_STORE, storeUrl } from './storeFolder.ts';
import { StatusLine } from './terminal.ts';
import { json } from './text.ts';

/** For a store that another process has. Milliseconds. */
export const WAIT_MS = 10_000;

/** One verb of the command line: what it takes, and what it does. `run` gives the exit code. */
export interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly define: (command: Command) => Command;
  readonly run: (call: Call) => Promise<number>;
  /** Whether options may also stand after the first of these arguments. Default: as defined. */
  readonly takesLateOptions?: (args: readonly string[]) => boolean;
}

export interface CommonOptions {
  readonly store?: string;
  readonly wait?: number;
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
  /** How long a store that another process has is waited for. Milliseconds. */
  readonly waitMs: number;
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
    this.url = storeUrl(common.store ?? (context.env['HOLDFAST_STORE'] || DEFAULT_STORE));
    this.waitMs = common.wait ?? WAIT_MS;
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

  /**
   * Opens the store, works with it and closes it. `onCloseFailure` gives the result when only the
   * closing has failed; without it that is a failure of the verb.
   */
  async withStore<T>(
    mode: Mode,
    work: (store: Store, opened: Opened) => Promise<T>,
    onCloseFailure?: (error: unknown, result: T) => Promise<T>,
  ): Promise<T> {
    const opened = await openForVerb(this, mode);
    const { store } = opened;
    let result: T;
    try {
      result = await work(store, opened);
    } catch (error) {
      await closeAfter(store, error);
      throw error;
    }
    try {
      await store.close();
      return result;
    } catch (error) {
      if (onCloseFailure === undefined) throw error;
      return onCloseFailure(error, result);
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
