import fc from 'fast-check';
import type { Plan, StoreCalls } from './calls.ts';
import {
  appendEvent,
  deleteArtifact,
  deriveArtifact,
  getArtifact,
  listEvents,
  openArtifact,
  putArtifact,
  updateArtifact,
} from './plans/contentPlans.ts';
import {
  againRun,
  createAgain,
  createRun,
  deleteRun,
  getRun,
  listRuns,
  moveRun,
  updateRun,
} from './plans/runPlans.ts';
import {
  againStep,
  createStep,
  dependStep,
  moveStep,
  readSteps,
  updateStep,
} from './plans/stepPlans.ts';
import { NUMBER } from './plans/values.ts';

export { createRun, createStep, NUMBER };

/** What a run of the same id begins with, when it takes the place of another. */
export const ANEW: fc.Arbitrary<readonly Plan[]> = fc.tuple(deleteRun, createAgain);

/** Calls that a transaction offers too. */
export const PLAN: fc.Arbitrary<Plan> = fc.oneof(
  { weight: 3, arbitrary: createRun },
  { weight: 1, arbitrary: createAgain },
  { weight: 3, arbitrary: updateRun },
  { weight: 3, arbitrary: moveRun },
  { weight: 1, arbitrary: againRun },
  { weight: 1, arbitrary: deleteRun },
  { weight: 1, arbitrary: getRun },
  { weight: 8, arbitrary: createStep },
  { weight: 4, arbitrary: updateStep },
  { weight: 14, arbitrary: moveStep },
  { weight: 3, arbitrary: dependStep },
  { weight: 2, arbitrary: againStep },
  { weight: 2, arbitrary: readSteps },
  { weight: 8, arbitrary: appendEvent },
  { weight: 4, arbitrary: putArtifact },
  { weight: 2, arbitrary: updateArtifact },
  { weight: 1, arbitrary: deleteArtifact },
  { weight: 1, arbitrary: getArtifact },
);

/** Calls that only a store offers. */
export const STORE_PLAN: fc.Arbitrary<Plan<StoreCalls>> = fc.oneof(
  listRuns,
  listEvents,
  openArtifact,
  deriveArtifact,
);
