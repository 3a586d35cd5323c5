import { RUN_STATUSES, STEP_STATUSES } from '../../model/entities.ts';

/** What a value must be, in words, and whether one is. */
interface Kind {
  readonly what: string;
  readonly holds: (value: unknown) => boolean;
  /** Of an object, to say more of what is wrong with it. */
  readonly shape?: Shape;
}

/**
 * What the JSON of a row must look like. Fields that are not named here are let through: rows leave
 * out what has its default, and payloads are whatever they are.
 */
export interface Shape {
  readonly fields: ReadonlyMap<string, Kind>;
  /** Without which it means nothing. */
  readonly required: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

/** What is wrong with `value`, in words; `undefined` when nothing is. */
export function faultOf(value: unknown, { fields, required }: Shape): string | undefined {
  if (!isObject(value)) return 'it is no object';
  for (const key in value) {
    const kind = fields.get(key);
    if (kind === undefined || kind.holds(value[key])) continue;
    const inside = kind.shape && faultOf(value[key], kind.shape);
    return `${key} is not ${kind.what}${inside === undefined ? '' : `: ${inside}`}`;
  }
  for (const key of required) if (value[key] === undefined) return `${key} is missing`;
  return undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** 1, 2, 3… */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** What a `Date` writes of these years. `Date.parse` takes several times as long. */
const USUAL =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;

function isTime(value: unknown): boolean {
  return isText(value) && (USUAL.test(value) || !Number.isNaN(Date.parse(value)));
}

const text: Kind = { what: 'a text', holds: isText };
const count: Kind = { what: 'a whole number above 0', holds: isCount };
const number: Kind = { what: 'a number', holds: (value) => typeof value === 'number' };
const time: Kind = { what: 'a time', holds: isTime };
const object: Kind = { what: 'an object', holds: isObject };
const texts = listOf(text, 'a list of texts');
const numbersByName = recordOf(number, 'an object of numbers');
const textsByName = recordOf(text, 'an object of texts');

function orNull(kind: Kind): Kind {
  const holds = (value: unknown) => value === null || kind.holds(value);
  return { ...kind, what: `${kind.what} or null`, holds };
}

function oneOf(values: readonly string[]): Kind {
  const known: ReadonlySet<unknown> = new Set(values);
  return { what: `one of ${values.join(', ')}`, holds: (value) => known.has(value) };
}

function listOf({ holds }: Kind, what: string): Kind {
  return { what, holds: (value) => Array.isArray(value) && value.every(holds) };
}

function recordOf({ holds }: Kind, what: string): Kind {
  const isRecord = (value: unknown) => {
    if (!isObject(value)) return false;
    for (const key in value) if (!holds(value[key])) return false;
    return true;
  };
  return { what, holds: isRecord };
}

function shaped(shape: Shape, what: string): Kind {
  return { what, shape, holds: (value) => faultOf(value, shape) === undefined };
}

function shape(fields: Readonly<Record<string, Kind>>, required: readonly string[]): Shape {
  return { fields: new Map(Object.entries(fields)), required };
}

const failure = orNull(
  shaped(
    shape({ name: text, message: text, code: text, stack: text }, ['name', 'message']),
    'an error',
  ),
);

function attempts(statuses: readonly string[]): Kind {
  const fields = {
    attempt: count,
    worker: orNull(text),
    status: oneOf(statuses),
    startedAt: time,
    endedAt: orNull(time),
    error: failure,
  };
  const each = shaped(shape(fields, ['attempt', 'status', 'startedAt']), 'an attempt');
  return listOf(each, 'a list of attempts');
}

function work(statuses: readonly string[]) {
  return {
    id: text,
    version: count,
    status: oneOf(statuses),
    error: failure,
    reason: orNull(text),
    metrics: numbersByName,
    trace: orNull(text),
    availableAt: orNull(time),
    startedAt: orNull(time),
    endedAt: orNull(time),
    attempt: count,
    attempts: attempts(statuses),
    createdAt: time,
    updatedAt: time,
  };
}

const STAMPED = ['id', 'version', 'createdAt', 'updatedAt'];

export const RUN = shape(
  {
    ...work(RUN_STATUSES),
    workflow: text,
    project: orNull(text),
    definition: orNull(text),
    parentRunId: orNull(text),
    parentStepId: orNull(text),
    tags: textsByName,
    metadata: object,
    priority: number,
  },
  [...STAMPED, 'workflow'],
);

export const STEP = shape(
  {
    ...work(STEP_STATUSES),
    name: text,
    kind: text,
    progress: orNull(number),
    dependsOn: texts,
    onDependencyFailure: oneOf(['skip', 'wait']),
    skippedBy: orNull(text),
    parentStepId: orNull(text),
    idempotencyKey: orNull(text),
  },
  [...STAMPED, 'name'],
);

export const EVENT = shape(
  {
    seq: count,
    type: text,
    stepId: orNull(text),
    idempotencyKey: orNull(text),
    occurredAt: time,
    recordedAt: time,
  },
  ['seq', 'type', 'recordedAt'],
);

const parent = shaped(
  shape({ runId: text, name: text, version: count }, ['runId', 'name', 'version']),
  'a version of an artifact',
);

export const ARTIFACT = shape(
  {
    id: text,
    name: text,
    version: count,
    revision: count,
    digest: text,
    size: number,
    mediaType: text,
    stepId: orNull(text),
    tags: textsByName,
    metadata: object,
    aliases: texts,
    parents: listOf(parent, 'a list of versions of artifacts'),
    expiresAt: orNull(time),
    hold: orNull(text),
    deletedAt: orNull(time),
    createdAt: time,
    updatedAt: time,
  },
  ['id', 'name', 'version', 'digest', 'createdAt', 'updatedAt'],
);

/** Some fields of it. */
function part({ fields }: Shape): Kind {
  return shaped({ fields, required: [] }, 'fields of it');
}

function change(fields: Readonly<Record<string, Kind>>): Shape {
  return shape({ runId: text, ...fields }, ['runId', ...Object.keys(fields)]);
}

/** Changes of the log by their type. */
const CHANGES: ReadonlyMap<unknown, Shape> = new Map([
  ['run.created', change({ run: shaped(RUN, 'a run') })],
  ['run.updated', change({ version: count, set: part(RUN) })],
  ['run.metered', change({ metrics: numbersByName })],
  ['run.deleted', change({ version: count })],
  ['step.created', change({ step: shaped(STEP, 'a step') })],
  ['step.updated', change({ stepId: text, version: count, set: part(STEP) })],
  ['event.appended', change({ event: shaped(EVENT, 'an event') })],
  ['artifact.put', change({ artifact: shaped(ARTIFACT, 'an artifact') })],
  [
    'artifact.updated',
    change({ name: text, version: count, revision: count, set: part(ARTIFACT) }),
  ],
]);

/** An event that stands in its table. */
const REFERENCE = change({ type: oneOf(['event.appended']), seq: count });
/** Of a newer version, say, which is not for us to judge. */
const UNKNOWN = shape({ type: text }, ['type']);

/** What is wrong with the changes of a commit, in words; `undefined` when nothing is. */
export function faultOfChanges(value: unknown): string | undefined {
  if (!Array.isArray(value)) return 'it is no list of changes';
  const changes: readonly unknown[] = value;
  for (const [n, given] of changes.entries()) {
    const fault = faultOf(given, shapeOfChange(given));
    if (fault !== undefined) return `change ${n + 1}: ${fault}`;
  }
  return undefined;
}

function shapeOfChange(given: unknown): Shape {
  if (!isObject(given)) return UNKNOWN;
  return 'seq' in given ? REFERENCE : (CHANGES.get(given['type']) ?? UNKNOWN);
}
