import { expect, test } from '@jest/globals';
import type { NewRun, RunPatch, StepPatch } from '../../../src/index.ts';

/** Whether a value of this type may be handed in: decided by the compiler, not when it runs. */
type Fits<Value, Target> = Value extends Target ? true : false;
type Failure = { readonly name: string; readonly message: string };

test('a patch that makes no sense does not compile', () => {
  // Each line is a type error unless the compiler comes to the same answer.
  const runs: readonly [boolean, ...boolean[]] = [
    false satisfies Fits<{ status: 'running'; output: string }, RunPatch>,
    false satisfies Fits<{ output: string }, RunPatch>,
    false satisfies Fits<{ status: 'failed' }, RunPatch>,
    false satisfies Fits<{ status: 'succeeded'; error: Failure }, RunPatch>,
    false satisfies Fits<{ status: 'queued'; worker: string }, RunPatch>,
    false satisfies Fits<{ status: 'skipped' }, RunPatch>,
    false satisfies Fits<{ reason: string }, RunPatch>,
    false satisfies Fits<{ workflow: 1 }, NewRun>,
  ];
  const steps: readonly [boolean, ...boolean[]] = [
    false satisfies Fits<{ status: 'running'; output: string }, StepPatch>,
    false satisfies Fits<{ status: 'running'; dependsOn: string[] }, StepPatch>,
    false satisfies Fits<{ status: 'failed' }, StepPatch>,
    false satisfies Fits<{ status: 'queued' }, StepPatch>,
    false satisfies Fits<{ status: 'succeeded'; reason: string }, StepPatch>,
  ];
  expect([...runs, ...steps]).not.toContain(true);
});

test('a patch that makes sense does', () => {
  const fitting: readonly [boolean, ...boolean[]] = [
    true satisfies Fits<{ status: 'running'; worker: string }, RunPatch>,
    true satisfies Fits<{ status: 'succeeded'; output: { a: number } }, RunPatch>,
    true satisfies Fits<{ status: 'failed'; error: Error; output: string }, RunPatch>,
    true satisfies Fits<{ status: 'blocked'; reason: string; priority: number }, RunPatch>,
    true satisfies Fits<{ tags: { a: string }; status?: undefined }, RunPatch>,
    true satisfies Fits<{ status: 'timed_out'; reason: string }, StepPatch>,
    true satisfies Fits<{ status: 'succeeded'; output: Uint8Array }, StepPatch>,
    true satisfies Fits<{ dependsOn: string[] }, StepPatch>,
    true satisfies Fits<{ progress: number; metrics: { ms: number } }, StepPatch>,
  ];
  expect(fitting).not.toContain(false);
});
