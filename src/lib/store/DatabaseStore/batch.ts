import type { Change } from '../../model/change.ts';
import type { ArtifactRow, EventRow, RunRow } from '../../model/entities.ts';
import { factsOf } from '../../model/artifactFacts.ts';
import type { RunState } from '../../model/runState.ts';
import { artifactToText, runToText, stepToText } from '../../model/text.ts';
import type { WrittenChange } from './logText.ts';
import { rowBytes, rowKey } from './rowBytes.ts';

/**
 * Commits that go to the database together, as rows. A group passes or fails as a whole: it holds the
 * commits of all runs that some commit of it binds together. Numbers of commits count from 0, in the
 * order in which they were decided; their positions are known once it is clear which groups pass.
 */
export interface Batch {
  /** What each run must stand at; 0: it is not there. */
  readonly guards: { g: number; run: string; head: number }[];
  /** Idempotency keys of events that must not be in use. */
  readonly keys: { g: number; run: string; key: string }[];
  readonly commits: { g: number; c: number; data: string }[];
  /** Runs whose former rows go first. */
  readonly deletions: { g: number; run: string }[];
  readonly runs: RunValues[];
  /** Runs of which only this much moved. */
  readonly touched: { g: number; c: number; id: string; last_seq: number }[];
  /** Runs whose tags are those in `tags` from now on. */
  readonly retagged: { g: number; run: string }[];
  readonly tags: { g: number; run: string; key: string; value: string }[];
  /** In their order; `c`: the commit that created it, if it is new. */
  readonly steps: { g: number; c: number; n: number; run: string; id: string; data: string }[];
  readonly artifacts: ArtifactValues[];
  /** What can be asked of these artifacts, in the place of what they had. */
  readonly texts: (ArtifactKey & { path: string; value: string })[];
  readonly numbers: (ArtifactKey & { path: string; value: number })[];
  /** They do not change. */
  readonly parents: (ArtifactKey & {
    parent_run: string;
    parent_name: string;
    parent_version: number;
  })[];
  readonly events: {
    g: number;
    c: number;
    run: string;
    seq: number;
    key: string | null;
    data: string;
  }[];
}

interface ArtifactKey {
  readonly g: number;
  readonly run: string;
  readonly name: string;
  readonly version: number;
}

interface ArtifactValues extends ArtifactKey {
  readonly id: string;
  readonly created_ms: number;
  readonly digest: string;
  readonly media_type: string;
  readonly size: number;
  readonly expires_ms: number | null;
  readonly deleted: number;
  readonly data: string;
}

/** `created_c`: the commit of this batch that created it, or null where `created_position` says it. */
interface RunValues {
  readonly g: number;
  readonly c: number;
  readonly id: string;
  readonly created_ms: number;
  readonly created_c: number | null;
  readonly created_position: number | null;
  readonly workflow: string;
  readonly project: string | null;
  readonly parent_run_id: string | null;
  readonly parent_step_id: string | null;
  readonly status: string;
  readonly ended_ms: number | null;
  readonly tags: string;
  readonly last_seq: number;
  readonly data: string;
}

/** A run as the database had it when the batch began. */
export interface RunBase {
  readonly head: number;
  readonly createdPosition: number;
  readonly row: RunRow | undefined;
  /** What the run took in memory, where that is known. */
  readonly bytes?: number | undefined;
}

/** What became of one run in the commits of a batch. */
export class TouchedRun {
  readonly base: RunBase;
  readonly state: RunState;
  /** The last commit that touched it, and the one that created it; -1: none of this batch. */
  lastCommit = -1;
  createdIn = -1;
  isDeleted = false;
  readonly changes: Change[] = [];
  /** What its rows take that are to be written, events aside. */
  rowBytes = 0;
  /** How much more than at the beginning the run takes in memory. */
  #grownBytes = 0;
  readonly #counted = new Set<string>();
  /** With the commit that created it, or touched it last. */
  readonly #steps = new Map<string, number>();
  readonly #artifacts = new Map<string, Pick<ArtifactRow, 'name' | 'version'>>();
  readonly #events = new Map<EventRow, { readonly c: number; readonly data: string }>();
  /** Of events of the run that the database has, whether it is deleted afterwards or not. */
  readonly #keys: string[] = [];

  constructor(base: RunBase, state: RunState) {
    this.base = base;
    this.state = state;
  }

  apply({ change, text }: WrittenChange, c: number): void {
    this.#applyCounted(change);
    this.changes.push(change);
    this.lastCommit = c;
    switch (change.type) {
      case 'run.created':
        this.createdIn = c;
        break;
      case 'run.deleted':
        this.#forget();
        break;
      case 'step.created':
        this.#steps.set(change.step.id, c);
        break;
      case 'step.updated':
        if (!this.#steps.has(change.stepId)) this.#steps.set(change.stepId, c);
        break;
      case 'artifact.put':
        this.#touchArtifact(change.artifact);
        break;
      case 'artifact.updated':
        this.#touchArtifact(change);
        break;
      case 'event.appended':
        this.#append(change.event, c, text);
        break;
      case 'run.updated':
      case 'run.metered':
    }
  }

  /** A row is written once, as large as it is at last. */
  #applyCounted(change: Change): void {
    const key = rowKey(change);
    if (key === undefined) return this.state.apply(change);
    const before = rowBytes(this.state, change);
    this.state.apply(change);
    const after = rowBytes(this.state, change);
    this.#grownBytes += after - before;
    this.rowBytes += this.#counted.has(key) ? after - before : after;
    this.#counted.add(key);
  }

  /** What the run takes in memory now; `undefined` where all of it is to be counted again. */
  get bytes(): number | undefined {
    const { bytes } = this.base;
    return this.isDeleted || bytes === undefined ? undefined : bytes + this.#grownBytes;
  }

  #touchArtifact({ name, version }: Pick<ArtifactRow, 'name' | 'version'>): void {
    this.#artifacts.set(`${name}\0${version}`, { name, version });
  }

  #append(event: EventRow, c: number, data: string): void {
    this.#events.set(event, { c, data });
    const { idempotencyKey: key } = event;
    if (key !== null && !this.isDeleted) this.#keys.push(key);
  }

  #forget(): void {
    this.isDeleted = true;
    this.createdIn = -1;
    this.rowBytes = 0;
    this.#counted.clear();
    this.#steps.clear();
    this.#artifacts.clear();
    this.#events.clear();
  }

  /** Whether an event of this batch goes to the table: its run was not deleted after it. */
  keeps(event: EventRow): boolean {
    return this.#events.has(event);
  }

  /** Adds its rows to the batch. */
  write(batch: Batch, run: string, g: number): void {
    for (const key of this.#keys) batch.keys.push({ g, run, key });
    if (this.isDeleted) batch.deletions.push({ g, run });
    const { run: row } = this.state;
    if (row === undefined) return;
    this.#writeRun(batch, row, g);
    for (const [id, c] of this.#steps) {
      const step = this.state.steps.get(id);
      if (step === undefined) continue;
      batch.steps.push({ g, c, n: batch.steps.length, run, id, data: stepToText(step) });
    }
    for (const { name, version } of this.#artifacts.values()) {
      const artifact = this.state.artifact(name, version);
      if (artifact === undefined) continue;
      writeArtifact(batch, { g, run, name, version }, artifact);
    }
    for (const [{ seq, idempotencyKey: key }, { c, data }] of this.#events) {
      batch.events.push({ g, c, run, seq, key, data });
    }
  }

  #writeRun(batch: Batch, row: RunRow, g: number): void {
    const { lastCommit: c, base, createdIn } = this;
    const { id } = row;
    const { lastSeq: last_seq } = this.state;
    if (row === base.row) {
      batch.touched.push({ g, c, id, last_seq });
      return;
    }
    const tags = JSON.stringify(row.tags);
    batch.runs.push({
      g,
      c,
      id,
      created_ms: Date.parse(row.createdAt),
      created_c: createdIn < 0 ? null : createdIn,
      created_position: createdIn < 0 ? base.createdPosition : null,
      workflow: row.workflow,
      project: row.project,
      parent_run_id: row.parentRunId,
      parent_step_id: row.parentStepId,
      status: row.status,
      ended_ms: row.endedAt === null ? null : Date.parse(row.endedAt),
      tags,
      last_seq,
      data: runToText(row),
    });
    if (createdIn < 0 && tags === JSON.stringify(base.row?.tags)) return;
    batch.retagged.push({ g, run: id });
    for (const [key, value] of Object.entries(row.tags))
      batch.tags.push({ g, run: id, key, value });
  }
}

function writeArtifact(batch: Batch, key: ArtifactKey, row: ArtifactRow): void {
  const { id, createdAt, digest, mediaType, size, expiresAt, deletedAt } = row;
  batch.artifacts.push({
    ...key,
    id,
    created_ms: Date.parse(createdAt),
    digest,
    media_type: mediaType,
    size,
    expires_ms: expiresAt === null ? null : Date.parse(expiresAt),
    deleted: deletedAt === null ? 0 : 1,
    data: artifactToText(row),
  });
  for (const { runId, name, version } of row.parents) {
    batch.parents.push({
      ...key,
      parent_run: runId,
      parent_name: name,
      parent_version: version,
    });
  }
  // Of a deleted one nothing else can be asked.
  if (deletedAt !== null) return;
  const { texts, numbers } = factsOf(row);
  for (const [path, value] of texts) batch.texts.push({ ...key, path, value });
  for (const [path, value] of numbers) batch.numbers.push({ ...key, path, value });
}

export function newBatch(): Batch {
  return {
    guards: [],
    keys: [],
    commits: [],
    deletions: [],
    runs: [],
    touched: [],
    retagged: [],
    tags: [],
    steps: [],
    artifacts: [],
    texts: [],
    numbers: [],
    parents: [],
    events: [],
  };
}
