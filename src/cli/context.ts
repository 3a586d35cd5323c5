import type { Clock, FileSystem, OpenOptions, RepairReport, Store } from '../index.ts';
import type { Sink } from './sink.ts';

/** The world as the commands see it. Tests hand in their own, and run every verb in one process. */
export interface CommandContext {
  readonly openStore: (url: string, options?: OpenOptions) => Promise<Store>;
  readonly repairStore: (url: string, options?: OpenOptions) => Promise<RepairReport>;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Which of the three standard streams are terminals. */
  readonly terminal: Readonly<Record<'stdin' | 'stdout' | 'stderr', boolean>>;
  readonly columns: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Calls `listener` for SIGINT, SIGTERM and SIGHUP until the returned function is called. */
  readonly onSignal: (listener: (signal: NodeJS.Signals) => void) => () => void;
  /** Asks at the terminal; whether the answer was yes. */
  readonly confirm: (question: string) => Promise<boolean>;
}
