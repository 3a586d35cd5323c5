import { StoreError } from '../errors.ts';
import type { RunStatus, StepStatus } from './entities.ts';

/**
 *     run    queued ──► running ◄──► blocked          step   queued ──► running
 *              │ ▲        │ │                                  │           │
 *              │ └────────┘ │   (blocked ──► queued too)       │           ├──► succeeded
 *              ▼            ▼                                  ▼           ├──► failed
 *          failed      succeeded                            skipped        ├──► timed_out
 *          cancelled   failed, cancelled                    cancelled      └──► cancelled
 *
 * Only a reset or retry leaves a terminal status; it leads to `queued`.
 */
const RUN: Readonly<Record<RunStatus, readonly RunStatus[]>> = {
  queued: ['running', 'failed', 'cancelled'],
  running: ['queued', 'blocked', 'succeeded', 'failed', 'cancelled'],
  blocked: ['queued', 'running', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
};

const STEP: Readonly<Record<StepStatus, readonly StepStatus[]>> = {
  queued: ['running', 'skipped', 'cancelled'],
  running: ['succeeded', 'failed', 'cancelled', 'timed_out'],
  succeeded: [],
  failed: [],
  cancelled: [],
  timed_out: [],
  skipped: [],
};

export function isTerminalRun(status: RunStatus): boolean {
  return RUN[status].length === 0;
}

export function isTerminalStep(status: StepStatus): boolean {
  return STEP[status].length === 0;
}

export function checkRunTransition(id: string, from: RunStatus, to: RunStatus): void {
  if (!RUN[from].includes(to)) throw refused('run', id, from, to, RUN[from]);
}

export function checkStepTransition(id: string, from: StepStatus, to: StepStatus): void {
  if (!STEP[from].includes(to)) throw refused('step', id, from, to, STEP[from]);
}

function refused(
  what: string,
  id: string,
  from: string,
  to: string,
  allowed: readonly string[],
): StoreError {
  const remedy =
    allowed.length === 0
      ? 'it has ended, and only reset or retry leaves that'
      : `from there it goes to ${allowed.join(', ')}`;
  const message = `${what} ${id} cannot go from ${from} to ${to}: ${remedy}`;
  return new StoreError('INVALID_TRANSITION', message, { id });
}
