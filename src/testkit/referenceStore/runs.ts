import { refuseHeld } from './artifacts.ts';
import type {
  NewRun,
  Page,
  ResetOptions,
  Run,
  RunFilter,
  RunPatch,
  RunStatus,
  WriteOptions,
} from '../../index.ts';
import { begun, ended } from './attempts.ts';
import { pageOf } from './pages.ts';
import type { Records } from './records.ts';
import { checkVersion, refusal } from './refusals.ts';
import { errorInfo, given, isSame, kept, keptObject } from './values.ts';

const NEXT: Readonly<Record<RunStatus, readonly RunStatus[]>> = {
  queued: ['running', 'failed', 'cancelled'],
  running: ['queued', 'blocked', 'succeeded', 'failed', 'cancelled'],
  blocked: ['queued', 'running', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
};

export function hasEnded(run: Run): boolean {
  return NEXT[run.status].length === 0;
}

/** Of several mistakes in one call the first is told: missing, outdated, not allowed from here. */
export class ReferenceRuns {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  create(input: NewRun): Run {
    const id = this.#idOf(input);
    const known = this.#records.find(id)?.run;
    if (known === undefined) {
      const run = newRun(id, input, this.#records.world.at());
      const createdIn = this.#records.nextCommit;
      this.#records.put(id, { run, steps: new Map(), events: [], artifacts: [], createdIn });
      return run;
    }
    if (input.idempotencyKey === undefined) {
      throw refusal('ALREADY_EXISTS', `there is a run ${id}`, id);
    }
    if (isSame(known.input, kept(input.input))) return known;
    throw refusal('IDEMPOTENCY_CONFLICT', `run ${id} has another input`, id);
  }

  #idOf({ id, idempotencyKey, workflow }: NewRun): string {
    if (idempotencyKey === undefined) return id ?? this.#records.freshRunId();
    if (id === undefined) return this.#records.derivedRunId(workflow, idempotencyKey);
    throw refusal('INVALID_ARGUMENT', 'a run has an id or a key, from which one is derived');
  }

  get(runId: string): Run {
    return this.#records.get(runId).run;
  }

  /** Newest first; of one commit, by id downwards. */
  list(filter: RunFilter = {}): Page<Run> {
    const records = [...this.#records.all().values()].filter(({ run }) => matches(run, filter));
    const page = pageOf(records, ({ createdIn, run }) => [createdIn, run.id], filter, -1);
    return { ...page, items: page.items.map(({ run }) => run) };
  }

  update(runId: string, patch: RunPatch, options?: WriteOptions): Run {
    const { run } = this.#records.get(runId);
    checkVersion(run, options);
    const fields = given({
      tags: patch.tags && { ...patch.tags },
      metadata: patch.metadata && keptObject(patch.metadata),
      trace: patch.trace,
      priority: patch.priority,
      availableAt: patch.availableAt,
    });
    const isEmpty = patch.status === undefined && Object.keys(fields).length === 0;
    if (isEmpty) return run;
    return this.#set(run, (at) => ({ ...fields, ...statusOf(run, patch, at) }));
  }

  reset(runId: string, options?: ResetOptions): Run {
    return this.#again(runId, options, hasEnded);
  }

  retry(runId: string, options?: ResetOptions): Run {
    return this.#again(runId, options, (run) => hasEnded(run) && run.status !== 'succeeded');
  }

  #again(runId: string, options: ResetOptions = {}, isAllowed: (run: Run) => boolean): Run {
    const { run } = this.#records.get(runId);
    checkVersion(run, options);
    if (!isAllowed(run)) {
      throw refusal('INVALID_TRANSITION', `run ${runId} is ${run.status}`, runId);
    }
    return this.#set(run, () => ({
      status: 'queued',
      attempt: run.attempt + 1,
      output: null,
      error: null,
      reason: null,
      startedAt: null,
      endedAt: null,
      availableAt: options.availableAt ?? null,
    }));
  }

  delete(runId: string, options?: WriteOptions): void {
    const record = this.#records.get(runId);
    checkVersion(record.run, options);
    refuseHeld(record.artifacts);
    this.#records.put(runId, undefined);
  }

  #set(before: Run, set: (at: Date) => Partial<Run>): Run {
    const at = this.#records.world.at();
    const run = { ...before, ...set(at), version: before.version + 1, updatedAt: at };
    this.#records.put(run.id, { ...this.#records.get(run.id), run });
    return run;
  }
}

function newRun(id: string, input: NewRun, at: Date): Run {
  return {
    id,
    version: 1,
    workflow: input.workflow,
    project: input.project ?? null,
    definition: input.definition ?? null,
    parentRunId: input.parentRunId ?? null,
    parentStepId: input.parentStepId ?? null,
    status: 'queued',
    input: kept(input.input),
    output: null,
    error: null,
    reason: null,
    tags: { ...input.tags },
    metadata: keptObject(input.metadata),
    metrics: {},
    trace: input.trace ?? null,
    priority: input.priority ?? 0,
    availableAt: input.availableAt ?? null,
    startedAt: null,
    endedAt: null,
    attempt: 1,
    attempts: [],
    createdAt: at,
    updatedAt: at,
  };
}

function statusOf(run: Run, patch: RunPatch, at: Date): Partial<Run> {
  const { status } = patch;
  if (status === undefined) return {};
  if (!NEXT[run.status].includes(status)) {
    throw refusal('INVALID_TRANSITION', `run ${run.id} is ${run.status}`, run.id);
  }
  const reason = patch.reason ?? null;
  if (status === 'running') {
    const attempts = begun(run, status, patch.worker ?? null, at);
    return { status, reason, attempts, startedAt: run.startedAt ?? at };
  }
  if (status === 'blocked') return { status, reason };
  if (status === 'queued') return { status, reason, attempts: ended(run, status, null, at) };
  const error = patch.error === undefined ? null : errorInfo(patch.error);
  const output = patch.output === undefined ? run.output : kept(patch.output);
  const attempts = ended(run, status, error, at);
  return { status, reason, error, output, attempts, endedAt: at };
}

function matches(run: Run, filter: RunFilter): boolean {
  const { status, tags = {}, createdAfter, createdBefore, endedAfter, endedBefore } = filter;
  const same = ['workflow', 'project', 'parentRunId', 'parentStepId'] as const;
  return (
    (status === undefined || [status].flat().includes(run.status)) &&
    same.every((field) => filter[field] === undefined || filter[field] === run[field]) &&
    Object.entries(tags).every(([name, value]) => run.tags[name] === value) &&
    isWithin(run.createdAt, createdAfter, createdBefore) &&
    isWithin(run.endedAt, endedAfter, endedBefore)
  );
}

/** `after` is inclusive, `before` exclusive; what has not come yet is in neither. */
function isWithin(time: Date | null, after: Date | undefined, before: Date | undefined): boolean {
  if (after === undefined && before === undefined) return true;
  if (time === null) return false;
  return (after === undefined || time >= after) && (before === undefined || time < before);
}
