import type { Change } from './change.ts';
import type { ArtifactRow, EventRow, RunRow, StepRow } from './entities.ts';
import { LayeredMap } from './layeredMap.ts';

/**
 * What a run looks like at one point of the log: the fold of its changes. Rows are immutable; the
 * state itself changes only by `apply`. A fork is a staged copy on top of it, in constant time.
 */
export class RunState {
  run: RunRow | undefined;
  lastSeq = 0;
  /** Which run of this id it is: one more with each that was deleted. */
  life = 0;
  /** By step id, in order of creation. */
  readonly steps: LayeredMap<string, StepRow>;
  readonly stepIdByKey: LayeredMap<string, string>;
  /** Step id → ids of the steps that name it in `dependsOn`. */
  readonly dependents: LayeredMap<string, readonly string[]>;
  /** Name → versions, oldest first. */
  readonly artifacts: LayeredMap<string, readonly ArtifactRow[]>;
  /** Keyed events that the index does not know yet. */
  readonly eventByKey: LayeredMap<string, EventRow>;

  constructor(base?: RunState) {
    this.run = base?.run;
    this.lastSeq = base?.lastSeq ?? 0;
    this.life = base?.life ?? 0;
    this.steps = new LayeredMap(base?.steps);
    this.stepIdByKey = new LayeredMap(base?.stepIdByKey);
    this.dependents = new LayeredMap(base?.dependents);
    this.artifacts = new LayeredMap(base?.artifacts);
    this.eventByKey = new LayeredMap(base?.eventByKey);
  }

  fork(): RunState {
    return new RunState(this);
  }

  /** How many of a step's dependencies have not succeeded. */
  remaining(step: StepRow): number {
    let count = 0;
    for (const id of step.dependsOn) if (this.steps.get(id)?.status !== 'succeeded') count++;
    return count;
  }

  /** Makes a change true. A version that is already here, or an older one, is skipped. */
  apply(change: Change): void {
    switch (change.type) {
      case 'run.created':
        if (this.run === undefined) this.run = change.run;
        return;
      case 'run.updated':
        if (this.run !== undefined && this.run.version < change.version) {
          this.run = { ...this.run, ...change.set, version: change.version };
        }
        return;
      case 'run.metered':
        if (this.run !== undefined) this.run = { ...this.run, metrics: change.metrics };
        return;
      case 'run.deleted':
        return this.#clear();
      case 'step.created':
        if (this.steps.get(change.step.id) === undefined) this.putStep(change.step);
        return;
      case 'step.updated': {
        const step = this.steps.get(change.stepId);
        if (step !== undefined && step.version < change.version) {
          this.putStep({ ...step, ...change.set, version: change.version });
        }
        return;
      }
      case 'event.appended':
        if (change.event.seq <= this.lastSeq) return;
        this.lastSeq = change.event.seq;
        if (change.event.idempotencyKey !== null) {
          this.eventByKey.set(change.event.idempotencyKey, change.event);
        }
        return;
      case 'artifact.put':
        return this.putArtifact(change.artifact);
      case 'artifact.updated': {
        const { name, version, revision, set } = change;
        const artifact = this.artifact(name, version);
        if (artifact === undefined || artifact.revision >= revision) return;
        return this.putArtifact({ ...artifact, ...set, revision });
      }
    }
  }

  putStep(step: StepRow): void {
    const before = this.steps.get(step.id);
    this.steps.set(step.id, step);
    if (step.idempotencyKey !== null) this.stepIdByKey.set(step.idempotencyKey, step.id);
    if (before?.dependsOn === step.dependsOn) return;
    for (const id of before?.dependsOn ?? []) {
      this.dependents.set(
        id,
        this.#dependentsOf(id).filter((other) => other !== step.id),
      );
    }
    for (const id of step.dependsOn) {
      const all = [...this.#dependentsOf(id), step.id];
      this.dependents.set(id, before === undefined ? all : this.#inOrder(all));
    }
  }

  artifact(name: string, version: number): ArtifactRow | undefined {
    // Versions are 1, 2, 3… without gaps.
    const row = this.artifacts.get(name)?.[version - 1];
    return row?.version === version ? row : undefined;
  }

  /** The versions whose bytes must be there, of all names. */
  *liveArtifacts(): Generator<ArtifactRow> {
    for (const versions of this.artifacts.values()) {
      for (const row of versions) if (row.deletedAt === null) yield row;
    }
  }

  /** A new version, or one that is there with a later revision. */
  putArtifact(artifact: ArtifactRow): void {
    const { name, version, revision } = artifact;
    const versions = this.artifacts.get(name) ?? [];
    const before = this.artifact(name, version);
    if (before !== undefined) {
      if (before.revision >= revision) return;
      this.artifacts.set(name, versions.with(version - 1, artifact));
    } else if ((versions.at(-1)?.version ?? 0) < version) {
      this.artifacts.set(name, [...versions, artifact]);
    }
  }

  /** As they were created, which is how they are read back: who skips whom must not differ then. */
  #inOrder(stepIds: readonly string[]): readonly string[] {
    const wanted = new Set(stepIds);
    return [...this.steps.values()].map(({ id }) => id).filter((id) => wanted.has(id));
  }

  #dependentsOf(stepId: string): readonly string[] {
    return this.dependents.get(stepId) ?? [];
  }

  #clear(): void {
    if (this.run !== undefined) this.life++;
    this.run = undefined;
    this.lastSeq = 0;
    this.steps.clear();
    this.stepIdByKey.clear();
    this.dependents.clear();
    this.artifacts.clear();
    this.eventByKey.clear();
  }
}
