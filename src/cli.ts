#!/usr/bin/env node
import { processContext } from './cli/processContext.ts';
import { runProgram } from './cli/program.ts';

export { executePlan, type PlanOutcome } from './cli/recording/executePlan.ts';
export { checkPlan, type Plan, type PlanStep } from './cli/recording/plan.ts';
export type { PlanOptions } from './cli/recording/planOptions.ts';
export { prepareResume, type Resumption } from './cli/recording/prepareResume.ts';
export type { Acknowledged } from './cli/recording/recording.ts';
export { Sink } from './cli/sink.ts';
export { startPlan } from './cli/recording/startPlan.ts';
export type { StepEnd } from './cli/recording/stepEnd.ts';

// Node 22 does not say which module was started; there it is always this one.
if ((import.meta as Partial<ImportMeta>).main ?? true) {
  // The timers of a store never keep a process alive, and waiting for a busy store is one of them.
  const awake = setInterval(() => undefined, 2 ** 30);
  process.exitCode = await runProgram(process.argv.slice(2), processContext());
  clearInterval(awake);
}
