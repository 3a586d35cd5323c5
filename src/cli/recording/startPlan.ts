import { v7 as uuidv7 } from 'uuid';
import type { Run, Store } from '../../index.ts';
import { inOrder, type Plan, planToInput } from './plan.ts';

export interface NewPlanRun {
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly project?: string | undefined;
  /** The folder in which the commands run; a resumed run runs them there again. */
  readonly cwd: string;
}

/**
 * Stores the plan as a queued run with all of its steps, in one commit: after a crash there is the
 * whole plan or nothing. A step's name is its id and its idempotency key.
 */
export async function startPlan(store: Store, plan: Plan, details: NewPlanRun): Promise<Run> {
  const id = uuidv7();
  return store.transaction(id, async (tx) => {
    const { tags, project, cwd } = details;
    const input = planToInput(plan);
    const metadata = { cwd };
    const run = await tx.runs.create({
      id,
      workflow: plan.workflow,
      input,
      tags,
      project,
      metadata,
    });
    for (const { name, run: command, dependsOn } of inOrder(plan.steps)) {
      await tx.steps.create(id, {
        id: name,
        idempotencyKey: name,
        name,
        kind: 'command',
        input: { run: command },
        dependsOn,
      });
    }
    return run;
  });
}
