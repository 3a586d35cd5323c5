import { StoreError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { Change } from './change.ts';
import type { ArtifactRow, EventRow, RunRow, StepRow } from './entities.ts';
import { type Encoded, type JsonValue, NULL_PAYLOAD } from './payload.ts';
import { EMPTY_ARTIFACT, EMPTY_EVENT, EMPTY_RUN, EMPTY_STEP } from './represent.ts';

/**
 * Rows and changes as JSON text, the same in journal, run files and index. Payloads are text already
 * and are set in as they are. A whole row leaves out what has its default, a `set` nothing.
 */
export function runToText(row: RunRow): string {
  return toText(row, EMPTY_RUN);
}

export function stepToText(row: StepRow): string {
  return toText(row, EMPTY_STEP);
}

/** `occurredAt` is left out where it is `recordedAt`. By hand: of all rows events are the many. */
export function eventToText(row: EventRow): string {
  const { stepId, idempotencyKey, occurredAt, recordedAt } = row;
  let text = `{"seq":${row.seq},"type":${JSON.stringify(row.type)}`;
  if (stepId !== null) text += `,"stepId":${JSON.stringify(stepId)}`;
  if (row.payload !== NULL_PAYLOAD) text += `,"payload":${row.payload}`;
  if (idempotencyKey !== null) text += `,"idempotencyKey":${JSON.stringify(idempotencyKey)}`;
  if (occurredAt !== recordedAt) text += `,"occurredAt":"${occurredAt}"`;
  return `${text},"recordedAt":"${recordedAt}"}`;
}

export function artifactToText(row: ArtifactRow): string {
  return toText(row, EMPTY_ARTIFACT);
}

export function changeToText(change: Change): string {
  const head = `{"type":"${change.type}","runId":${JSON.stringify(change.runId)}`;
  switch (change.type) {
    case 'run.created':
      return `${head},"run":${runToText(change.run)}}`;
    case 'run.updated':
      return `${head},"version":${change.version},"set":${toText(change.set)}}`;
    case 'run.metered':
      return `${head},"metrics":${JSON.stringify(change.metrics)}}`;
    case 'run.deleted':
      return `${head},"version":${change.version}}`;
    case 'step.created':
      return `${head},"step":${stepToText(change.step)}}`;
    case 'step.updated': {
      const stepId = JSON.stringify(change.stepId);
      const set = toText(change.set);
      return `${head},"stepId":${stepId},"version":${change.version},"set":${set}}`;
    }
    case 'event.appended':
      return eventChangeToText(change.runId, eventToText(change.event));
    case 'artifact.put':
      return `${head},"artifact":${artifactToText(change.artifact)}}`;
    case 'artifact.updated': {
      const { name, version, revision } = change;
      const set = toText(change.set);
      return `${head},"name":${JSON.stringify(name)},"version":${version},"revision":${revision},"set":${set}}`;
    }
  }
}

/** What `changeToText` makes of an event that is text already. */
export function eventChangeToText(runId: string, event: string): string {
  return `{"type":"event.appended","runId":${JSON.stringify(runId)},"event":${event}}`;
}

/** The changes of one commit, with commas in between. `LIMIT_EXCEEDED` when they are too many. */
export function commitToText(changes: readonly Change[]): string {
  const text = changes.map(changeToText).join(',');
  checkCommitText(text);
  return text;
}

/** `LIMIT_EXCEEDED` for changes of one commit that are too many together. */
export function checkCommitText(text: string): void {
  if (text.length * 3 <= LIMITS.commitBytesMax) return;
  const bytes = Buffer.byteLength(text);
  if (bytes <= LIMITS.commitBytesMax) return;
  const message = `one commit holds ${LIMITS.commitBytesMax} bytes at most; this has ${bytes}`;
  throw new StoreError('LIMIT_EXCEEDED', `${message}: keep large bytes in artifacts`);
}

type Parsed = Readonly<Record<string, JsonValue>>;

export function runFromJson(value: unknown): RunRow {
  return { ...EMPTY_RUN, ...fromJson<RunRow>(value) };
}

export function stepFromJson(value: unknown): StepRow {
  return { ...EMPTY_STEP, ...fromJson<StepRow>(value) };
}

export function eventFromJson(value: unknown): EventRow {
  const row = fromJson<EventRow>(value);
  return { ...EMPTY_EVENT, occurredAt: row.recordedAt ?? '', ...row };
}

export function artifactFromJson(value: unknown): ArtifactRow {
  return { ...EMPTY_ARTIFACT, ...fromJson<ArtifactRow>(value) };
}

/** The change that `changeToText` wrote; `undefined` for a type that this version does not know. */
export function changeFromJson(value: unknown): Change | undefined {
  const change = value as Change;
  switch (change.type) {
    case 'run.created':
      return { ...change, run: runFromJson(change.run) };
    case 'run.updated':
    case 'step.updated':
    case 'artifact.updated':
      return { ...change, set: fromJson(change.set) } as Change;
    case 'run.metered':
    case 'run.deleted':
      return change;
    case 'step.created':
      return { ...change, step: stepFromJson(change.step) };
    case 'event.appended':
      return { ...change, event: eventFromJson(change.event) };
    case 'artifact.put':
      return { ...change, artifact: artifactFromJson(change.artifact) };
    default:
      return undefined;
  }
}

const ENCODED: ReadonlySet<string> = new Set(['input', 'output', 'metadata', 'payload']);

function toText(row: object, defaults?: object): string {
  const known = defaults as Readonly<Record<string, unknown>> | undefined;
  let text = '';
  for (const [key, value] of Object.entries(row) as [string, unknown][]) {
    if (known !== undefined && isDefault(value, known[key])) continue;
    text += `${text === '' ? '{' : ','}"${key}":`;
    text += ENCODED.has(key) ? (value as Encoded) : JSON.stringify(value);
  }
  return text === '' ? '{}' : `${text}}`;
}

/** Defaults that are objects or arrays are empty ones. */
function isDefault(value: unknown, normal: unknown): boolean {
  if (value === normal) return true;
  if (typeof value !== 'object' || typeof normal !== 'object') return false;
  return value !== null && normal !== null && Object.keys(value).length === 0;
}

function fromJson<Row extends object>(value: unknown): Partial<Row> {
  const row: Record<string, unknown> = { ...(value as Parsed) };
  for (const key in row) if (ENCODED.has(key)) row[key] = JSON.stringify(row[key]);
  return row as Partial<Row>;
}
