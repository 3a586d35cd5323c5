import { describe, expect, test } from '@jest/globals';
import {
  RUN_STATUSES,
  type RunStatus,
  STEP_STATUSES,
  type StepStatus,
} from '../../../src/index.ts';
import {
  checkRunTransition,
  checkStepTransition,
  isTerminalRun,
  isTerminalStep,
} from '../../../src/lib/model/transitions.ts';
import { refusal } from './scene.ts';

// Written out once more on purpose: a change of the model's table must be a change here too.
const RUN: readonly (readonly [RunStatus, RunStatus])[] = [
  ['queued', 'running'],
  ['queued', 'failed'],
  ['queued', 'cancelled'],
  ['running', 'queued'],
  ['running', 'blocked'],
  ['running', 'succeeded'],
  ['running', 'failed'],
  ['running', 'cancelled'],
  ['blocked', 'queued'],
  ['blocked', 'running'],
  ['blocked', 'failed'],
  ['blocked', 'cancelled'],
];

const STEP: readonly (readonly [StepStatus, StepStatus])[] = [
  ['queued', 'running'],
  ['queued', 'skipped'],
  ['queued', 'cancelled'],
  ['running', 'succeeded'],
  ['running', 'failed'],
  ['running', 'cancelled'],
  ['running', 'timed_out'],
];

const pairs = <T>(statuses: readonly T[]): (readonly [T, T])[] =>
  statuses.flatMap((from) => statuses.map((to) => [from, to] as const));

describe('transitions of a run [RM-2]', () => {
  test.each(pairs(RUN_STATUSES))('%s → %s is as the table says', (from, to) => {
    if (RUN.some(([a, b]) => a === from && b === to)) {
      expect(() => checkRunTransition('r', from, to)).not.toThrow();
      return;
    }
    const error = refusal(() => checkRunTransition('r', from, to));
    expect(error).toMatchObject({ code: 'INVALID_TRANSITION', id: 'r', retryable: false });
    expect(error.message).toContain(`from ${from} to ${to}`);
  });

  test('the terminal ones are those without a way out', () => {
    const terminal = RUN_STATUSES.filter((status) => isTerminalRun(status));
    expect(terminal).toEqual(['succeeded', 'failed', 'cancelled']);
  });
});

describe('transitions of a step [SM-1]', () => {
  test.each(pairs(STEP_STATUSES))('%s → %s is as the table says', (from, to) => {
    if (STEP.some(([a, b]) => a === from && b === to)) {
      expect(() => checkStepTransition('s', from, to)).not.toThrow();
      return;
    }
    const error = refusal(() => checkStepTransition('s', from, to));
    expect(error).toMatchObject({ code: 'INVALID_TRANSITION', id: 's', retryable: false });
    expect(error.message).toContain(`from ${from} to ${to}`);
  });

  test('the terminal ones are those without a way out', () => {
    const terminal = STEP_STATUSES.filter((status) => isTerminalStep(status));
    expect(terminal).toEqual(['succeeded', 'failed', 'cancelled', 'timed_out', 'skipped']);
  });
});
