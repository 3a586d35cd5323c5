import type { Clock, FileSystem, Step } from '../../index.ts';
import type { Sink } from '../sink.ts';
import type { RecordingHooks } from './recording.ts';
import type { StepEnd } from './stepEnd.ts';

/** Where and how the commands of a plan run, and who hears about it. */
export interface PlanOptions extends RecordingHooks {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  /** How many steps run at once. Default: as many as there are processors. */
  readonly jobs?: number | undefined;
  /** Where output also goes while it is recorded, untouched. Default: nowhere. */
  readonly live?: Readonly<Record<'stdout' | 'stderr', Sink>> | undefined;
  /** Default: `ignore`. */
  readonly stdin?: 'inherit' | 'ignore' | undefined;
  /**
   * Whether each command leads a process group of its own. Default: true. Without one the terminal
   * itself sends Ctrl-C to the command, and so SIGINT is recorded, not sent a second time.
   */
  readonly ownGroup?: boolean | undefined;
  /** The folder of the store: no glob ever finds what is in it. */
  readonly storeFolder?: string | undefined;
  /** Calls the listener for each signal that asks this process to end. */
  readonly onSignal?: ((listener: (signal: NodeJS.Signals) => void) => () => void) | undefined;
  readonly onStepStart?: ((step: Step) => void) | undefined;
  readonly onStepEnd?: ((end: StepEnd) => void) | undefined;
  /** Something worth knowing that stops nothing: a glob without a file, a file without access. */
  readonly onNotice?: ((text: string) => void) | undefined;
}
