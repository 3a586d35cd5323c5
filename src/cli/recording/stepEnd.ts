import { systemCode } from '../errorFacts.ts';
import type { ErrorInfo, JsonObject, StepPatch } from '../../index.ts';
import type { ProcessEnd } from './childProcess.ts';
import type { ResourceUse } from './resourceSampler.ts';

/** How a step ended, as far as this process saw it, whether or not it could be recorded. */
export interface StepEnd {
  readonly stepId: string;
  readonly name: string;
  readonly status: 'succeeded' | 'failed' | 'timed_out' | 'cancelled';
  readonly process: ProcessEnd;
  /** In words, for people: `exited with code 2`. */
  readonly how: string;
  readonly output: OutputFigures;
}

export interface OutputFigures {
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  readonly chunks: number;
  /** The end of what was written, as text. */
  readonly tail: string;
}

export interface StepFindings {
  readonly resources: ResourceUse | undefined;
  readonly artifacts: readonly string[];
  readonly unreadable: readonly string[];
  /** The message of the store's failure, when a part of the output could not be recorded. */
  readonly incomplete: string | undefined;
}

export function judge(
  end: ProcessEnd,
  cause: { readonly timedOut: boolean; readonly interruptedBy: NodeJS.Signals | undefined },
): Pick<StepEnd, 'status' | 'how'> {
  const how = inWords(end);
  if (cause.timedOut) return { status: 'timed_out', how: `timed out and ${how}` };
  if (cause.interruptedBy !== undefined) {
    const after = end.signal === cause.interruptedBy ? '' : ` after ${cause.interruptedBy}`;
    return { status: 'cancelled', how: `${how}${after}` };
  }
  return { status: end.exitCode === 0 ? 'succeeded' : 'failed', how };
}

const WHY_NOT_STARTED: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such program'],
  ['EACCES', 'it is no program that may be executed'],
  ['ENOEXEC', 'it is no program that may be executed'],
  ['E2BIG', 'its arguments are too long'],
]);

function inWords({ failure, signal, exitCode }: ProcessEnd): string {
  if (failure !== null) {
    const why = WHY_NOT_STARTED.get(systemCode(failure) ?? '') ?? failure.message;
    return `could not be started: ${why}`;
  }
  return signal === null ? `exited with code ${exitCode}` : `was killed by ${signal}`;
}

/** What becomes of the step: one commit with its status, its output and its figures. */
export function endPatch(end: StepEnd, found: StepFindings): StepPatch {
  const output = outputValue(end, found);
  // A short command ends before its first hundredth of a second was seen: that is not 0.
  const { cpuUserMs = 0, cpuSystemMs = 0 } = found.resources ?? {};
  const cpuMs = cpuUserMs + cpuSystemMs;
  const metrics = {
    outputBytes: end.output.stdoutBytes + end.output.stderrBytes,
    ...(cpuMs > 0 && { cpuMs }),
  };
  switch (end.status) {
    case 'succeeded':
      return { status: end.status, output, metrics };
    case 'failed':
      return { status: 'failed', output, metrics, error: errorOf(end) };
    case 'timed_out':
    case 'cancelled':
    default:
      return { status: end.status, output, metrics, reason: end.how };
  }
}

function errorOf({ process: { failure, signal }, how }: StepEnd): ErrorInfo {
  if (failure !== null) return { name: 'CommandError', code: 'NOT_STARTED', message: how };
  const code = signal === null ? 'EXIT_CODE' : 'SIGNAL';
  return { name: 'CommandError', code, message: how };
}

function outputValue(end: StepEnd, found: StepFindings): JsonObject {
  const { exitCode, signal, durationMs } = end.process;
  const { resources, artifacts, unreadable, incomplete } = found;
  return {
    exitCode,
    signal,
    durationMs,
    ...end.output,
    ...(resources !== undefined && { resources: { ...resources } }),
    artifacts,
    ...(unreadable.length > 0 && { unreadable }),
    ...(incomplete !== undefined && { incomplete }),
  };
}
