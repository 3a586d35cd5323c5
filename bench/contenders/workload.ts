import type { JsonObject } from '../../src/index.ts';
import { payload } from '../harness/payload.ts';

/**
 * Workload W: what a small agent does in one run, as 36 awaited writes. One creation; five steps
 * created, started and completed with 500 B; after each, four events of 300 B.
 */
export const WRITES = 36;
const STEPS = 5;
const EVENTS_PER_STEP = 4;
const OUTPUT_BYTES = 500;
const EVENT_BYTES = 300;

/** A peer that can be asked for one whole run of W. */
export interface Worker {
  readonly name: string;
  readonly syncs: boolean;
  run(n: number): Promise<void>;
  close(): Promise<unknown> | void;
}

interface Verbs {
  create(n: number): Promise<unknown> | void;
  createStep(step: number): Promise<unknown> | void;
  startStep(step: number): Promise<unknown> | void;
  completeStep(step: number, output: JsonObject): Promise<unknown> | void;
  event(step: number, event: JsonObject): Promise<unknown> | void;
}

/** The same order of writes for everybody. */
export async function performW(verbs: Verbs, n: number): Promise<void> {
  await verbs.create(n);
  for (let step = 0; step < STEPS; step += 1) {
    await verbs.createStep(step);
    await verbs.startStep(step);
    for (let event = 0; event < EVENTS_PER_STEP; event += 1) {
      await verbs.event(step, payload(event, EVENT_BYTES));
    }
    await verbs.completeStep(step, payload(n, OUTPUT_BYTES));
  }
}
