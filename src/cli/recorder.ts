// What the command line records with, for the demonstration, which brings its own surface.
export { executePlan } from './recording/executePlan.ts';
export type { Plan } from './recording/plan.ts';
export { prepareResume } from './recording/prepareResume.ts';
export type { Acknowledged } from './recording/recording.ts';
export { Sink } from './sink.ts';
export { startPlan } from './recording/startPlan.ts';
