import type { Encoded, JsonObject, Payload } from './payload.ts';

/**
 * Every entity stands here once and is used in two representations: as callers see it (`Live`:
 * dates and values) and as it is kept (`Stored`: ISO text and JSON text, the same on every backend).
 */
interface Representation {
  readonly time: unknown;
  readonly payload: unknown;
  readonly json: unknown;
}
export interface Live extends Representation {
  readonly time: Date;
  readonly payload: Payload;
  readonly json: JsonObject;
}
export interface Stored extends Representation {
  readonly time: string;
  readonly payload: Encoded;
  readonly json: Encoded;
}

export const RUN_STATUSES = [
  'queued',
  'running',
  'blocked',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

export const STEP_STATUSES = [
  'queued',
  'running',
  'succeeded',
  'failed',
  'cancelled',
  'timed_out',
  'skipped',
] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];

/** A failure kept inside an entity: data, not an `Error`. */
export interface ErrorInfo {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
}

/** One try at a run or step: by whom, when, and how it ended (`running` until it has). */
export interface AttemptShape<R extends Representation, Status extends string> {
  readonly attempt: number;
  readonly worker: string | null;
  readonly status: Status;
  readonly startedAt: R['time'];
  readonly endedAt: R['time'] | null;
  readonly error: ErrorInfo | null;
}

interface WorkShape<R extends Representation, Status extends string> {
  readonly id: string;
  /** 1 when created; one more with every change of the entity's own fields. */
  readonly version: number;
  readonly status: Status;
  readonly input: R['payload'];
  readonly output: R['payload'];
  readonly error: ErrorInfo | null;
  /** Why it is blocked, skipped or cancelled, in words. */
  readonly reason: string | null;
  readonly metrics: Readonly<Record<string, number>>;
  /** W3C `traceparent`. */
  readonly trace: string | null;
  /** Not to be started before. */
  readonly availableAt: R['time'] | null;
  readonly startedAt: R['time'] | null;
  readonly endedAt: R['time'] | null;
  /** 1 for the first try; a reset or retry raises it. */
  readonly attempt: number;
  readonly attempts: readonly AttemptShape<R, Status>[];
  readonly createdAt: R['time'];
  readonly updatedAt: R['time'];
}

export interface RunShape<R extends Representation> extends WorkShape<R, RunStatus> {
  readonly workflow: string;
  readonly project: string | null;
  /** Name, version and checksum of the definition that it executes. */
  readonly definition: string | null;
  readonly parentRunId: string | null;
  readonly parentStepId: string | null;
  /** Strings, indexed. */
  readonly tags: Readonly<Record<string, string>>;
  /** JSON, not indexed. */
  readonly metadata: R['json'];
  /** Higher goes first. */
  readonly priority: number;
}

export type DependencyPolicy = 'skip' | 'wait';

export interface StepShape<R extends Representation> extends WorkShape<R, StepStatus> {
  readonly name: string;
  readonly kind: string;
  /** 0 to 1. */
  readonly progress: number | null;
  /** Ids of the steps of this run that must have succeeded first. */
  readonly dependsOn: readonly string[];
  /** What becomes of it when one of them fails: skipped with a reason, or left waiting. */
  readonly onDependencyFailure: DependencyPolicy;
  /** The step on whose account it was skipped. */
  readonly skippedBy: string | null;
  readonly parentStepId: string | null;
  readonly idempotencyKey: string | null;
}

interface EventShape<R extends Representation> {
  /** 1, 2, 3… without gaps inside the run. */
  readonly seq: number;
  readonly type: string;
  readonly stepId: string | null;
  readonly payload: R['payload'];
  readonly idempotencyKey: string | null;
  /** When it happened, as the caller says; by default when it was recorded. */
  readonly occurredAt: R['time'];
  readonly recordedAt: R['time'];
}

/** A version of an artifact, of this run or of another. */
export interface ArtifactVersion {
  readonly runId: string;
  readonly name: string;
  readonly version: number;
}

interface ArtifactShape<R extends Representation> {
  readonly id: string;
  readonly name: string;
  /** Its number within (run, name): 1, 2, 3… */
  readonly version: number;
  /** 1 when it was put; one more with every change of its fields. What `ifVersion` is compared with. */
  readonly revision: number;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly mediaType: string;
  readonly stepId: string | null;
  /** Strings, indexed. */
  readonly tags: Readonly<Record<string, string>>;
  readonly metadata: R['json'];
  /** Names that point at this version, sorted; each points at one version of its artifact. */
  readonly aliases: readonly string[];
  /** What it was made from. It does not change. */
  readonly parents: readonly ArtifactVersion[];
  /** From then on `artifacts.expire` deletes it. */
  readonly expiresAt: R['time'] | null;
  /** Why it must not be deleted, while it is held. */
  readonly hold: string | null;
  /** A deleted version keeps its number and its fields; its bytes go when nothing names them. */
  readonly deletedAt: R['time'] | null;
  readonly createdAt: R['time'];
  readonly updatedAt: R['time'];
}

export type RunRow = RunShape<Stored>;
export type StepRow = StepShape<Stored>;
export type EventRow = EventShape<Stored>;
export type ArtifactRow = ArtifactShape<Stored>;

export type Attempt<Status extends string> = AttemptShape<Live, Status>;
export type Run = RunShape<Live>;
export interface Step extends StepShape<Live> {
  readonly runId: string;
  /** How many of `dependsOn` have not succeeded yet; it can start at 0. */
  readonly remaining: number;
}
export interface RunEvent extends EventShape<Live> {
  readonly runId: string;
}
export interface Artifact extends ArtifactShape<Live> {
  readonly runId: string;
}
