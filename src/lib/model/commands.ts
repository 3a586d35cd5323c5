import type { ArtifactVersion, DependencyPolicy, ErrorInfo } from './entities.ts';
import type { JsonObject, Payload } from './payload.ts';

/** What callers hand in. An option that is `undefined` counts as absent. */

export interface WriteOptions {
  /** Refuse with `VERSION_CONFLICT` unless the entity has this version (artifacts: revision). */
  readonly ifVersion?: number | undefined;
}

export interface NewRun {
  /** Default: a UUIDv7, or derived from `workflow` and `idempotencyKey`. */
  readonly id?: string | undefined;
  /** Unique in its workflow: the same key with the same input gives back the first run. */
  readonly idempotencyKey?: string | undefined;
  readonly workflow: string;
  readonly project?: string | undefined;
  readonly definition?: string | undefined;
  readonly parentRunId?: string | undefined;
  readonly parentStepId?: string | undefined;
  readonly input?: Payload | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly metadata?: JsonObject | undefined;
  readonly trace?: string | undefined;
  readonly priority?: number | undefined;
  readonly availableAt?: Date | undefined;
}

/** An `Error`, or data of its shape. */
export type ErrorInput = Error | ErrorInfo;

/** Fields of a run that may change whatever its status. A field is replaced as a whole. */
interface RunFields {
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly metadata?: JsonObject | undefined;
  readonly trace?: string | null | undefined;
  readonly priority?: number | undefined;
}

interface Absent {
  readonly status?: undefined;
  readonly output?: undefined;
  readonly error?: undefined;
  readonly reason?: undefined;
  readonly worker?: undefined;
  readonly availableAt?: undefined;
  readonly dependsOn?: undefined;
}
type Only<T extends object> = T & Omit<Absent, keyof T>;

export type RunPatch = RunFields &
  (
    | Only<{ readonly availableAt?: Date | null | undefined }>
    | Only<{ readonly status: 'running'; readonly worker?: string | undefined }>
    | Only<{
        readonly status: 'queued' | 'blocked';
        readonly reason?: string | undefined;
        readonly availableAt?: Date | null | undefined;
      }>
    | Only<{ readonly status: 'succeeded'; readonly output?: Payload | undefined }>
    | Only<{
        readonly status: 'failed';
        readonly error: ErrorInput;
        readonly output?: Payload | undefined;
      }>
    | Only<{
        readonly status: 'cancelled';
        readonly reason?: string | undefined;
        readonly output?: Payload | undefined;
      }>
  );

export interface NewStep {
  readonly id?: string | undefined;
  /** Unique in its run: the same key with the same input gives back the first step. */
  readonly idempotencyKey?: string | undefined;
  readonly name: string;
  /** Default: `task`. */
  readonly kind?: string | undefined;
  readonly input?: Payload | undefined;
  readonly dependsOn?: readonly string[] | undefined;
  /** Default: `skip`. */
  readonly onDependencyFailure?: DependencyPolicy | undefined;
  readonly parentStepId?: string | undefined;
  readonly trace?: string | undefined;
  readonly availableAt?: Date | undefined;
}

interface StepFields {
  readonly metrics?: Readonly<Record<string, number>> | undefined;
  readonly trace?: string | null | undefined;
  /** 0 to 1. */
  readonly progress?: number | undefined;
}

export type StepPatch = StepFields &
  (
    | Only<{
        readonly availableAt?: Date | null | undefined;
        /** Only while queued. */
        readonly dependsOn?: readonly string[] | undefined;
      }>
    | Only<{ readonly status: 'running'; readonly worker?: string | undefined }>
    | Only<{ readonly status: 'succeeded'; readonly output?: Payload | undefined }>
    | Only<{
        readonly status: 'failed';
        readonly error: ErrorInput;
        readonly output?: Payload | undefined;
      }>
    | Only<{
        readonly status: 'timed_out' | 'cancelled' | 'skipped';
        readonly reason?: string | undefined;
        readonly output?: Payload | undefined;
      }>
  );

export interface ResetOptions extends WriteOptions {
  /** When it may be started again. Default: at once. */
  readonly availableAt?: Date | undefined;
}

export interface NewEvent {
  readonly type: string;
  readonly stepId?: string | undefined;
  readonly payload?: Payload | undefined;
  /** Unique in its run: the same key with the same input gives back the first event. */
  readonly idempotencyKey?: string | undefined;
  /** Default: when it is recorded. */
  readonly occurredAt?: Date | undefined;
}

export interface NewArtifact {
  readonly name: string;
  readonly stepId?: string | undefined;
  /** Default: `application/octet-stream`; `text/plain` for a string. */
  readonly mediaType?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly metadata?: JsonObject | undefined;
  /** They point at this version from now on, and at no other of this name. `latest` needs no saying. */
  readonly aliases?: readonly string[] | undefined;
  /** What it was made from: versions that are there. */
  readonly parents?: readonly ArtifactVersion[] | undefined;
  /** Milliseconds from now until `expire` may delete it. Default: it stays. */
  readonly ttl?: number | undefined;
}

/** A field is replaced as a whole. */
export interface ArtifactPatch {
  readonly mediaType?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly metadata?: JsonObject | undefined;
  /** All that are to point at this version; those of other versions move here. */
  readonly aliases?: readonly string[] | undefined;
  /** Milliseconds from now; `null`: it stays. */
  readonly ttl?: number | null | undefined;
  /** Why it must not be deleted; `null`: it may be. */
  readonly hold?: string | null | undefined;
}
