import fc from 'fast-check';
import { type Payload, RUN_STATUSES, STEP_STATUSES } from '../../../src/index.ts';
import type { Change } from '../../../src/lib/model/change.ts';
import type {
  ArtifactRow,
  AttemptShape,
  EventRow,
  RunRow,
  StepRow,
  Stored,
} from '../../../src/lib/model/entities.ts';
import { encodePayload } from '../../../src/lib/model/payload.ts';

/** Rows and changes as the model could have made them. */

/**
 * Not a lone backslash: once an object had that key, `JSON.parse` of V8 takes any key that begins
 * with an escape for it (https://github.com/nodejs/node/issues/63785).
 */
const isSafeKey = (key: string): boolean => key !== '\\';

const word = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }).filter(isSafeKey),
  fc.constantFrom('__proto__', 'constructor', 'input', '"', '\\\\', '\u2028', '{"$bytes":1}'),
);
const text = fc.string({ maxLength: 20, unit: 'grapheme' });
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary);
const time = fc
  .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString());
const count = fc.integer({ min: 1, max: 1_000_000 });
const dictionary = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Readonly<Record<string, T>>> =>
  fc
    .array(fc.tuple(word, value), { maxLength: 4 })
    .map((entries) => Object.fromEntries(entries) as Record<string, T>);
const metrics = dictionary(fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0));

/** JSON values with the keys and strings that are most easily mistaken. */
const json = fc
  .letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, false, 0, 1.5, '', '\ud800', 1e308),
      text,
      fc.array(tie('value'), { maxLength: 3 }),
      fc
        .array(
          fc.tuple(fc.oneof(word, fc.constantFrom('$bytes', '$json', '1', '\udfff')), tie('value')),
          { maxLength: 3 },
        )
        .map((entries) => Object.fromEntries(entries)),
    ),
  }))
  .value.map((value) => value as Payload);

export const payload: fc.Arbitrary<Payload> = fc.oneof(json, fc.uint8Array({ maxLength: 20 }));
const encoded = payload.map((value) => encodePayload(value, 'payload'));
const metadata = dictionary(json).map((value) => encodePayload(value as Payload, 'metadata'));

const error = fc.record(
  { name: text, message: text, code: text, stack: text },
  { requiredKeys: ['name', 'message'] },
);

const attempts = <Status extends string>(
  statuses: readonly Status[],
): fc.Arbitrary<readonly AttemptShape<Stored, Status>[]> =>
  fc.array(
    fc.record({
      attempt: count,
      worker: orNull(word),
      status: fc.constantFrom(...statuses),
      startedAt: time,
      endedAt: orNull(time),
      error: orNull(error),
    }),
    { maxLength: 2 },
  );

const work = {
  id: word,
  version: count,
  input: encoded,
  output: encoded,
  error: orNull(error),
  reason: orNull(text),
  metrics,
  trace: orNull(word),
  availableAt: orNull(time),
  startedAt: orNull(time),
  endedAt: orNull(time),
  attempt: count,
  createdAt: time,
  updatedAt: time,
};

const runFields = {
  ...work,
  workflow: word,
  project: orNull(word),
  definition: orNull(word),
  parentRunId: orNull(word),
  parentStepId: orNull(word),
  status: fc.constantFrom(...RUN_STATUSES),
  attempts: attempts(RUN_STATUSES),
  tags: dictionary(text),
  metadata,
  priority: fc.integer(),
};

const stepFields = {
  ...work,
  name: word,
  kind: fc.oneof(fc.constant('task'), word),
  status: fc.constantFrom(...STEP_STATUSES),
  attempts: attempts(STEP_STATUSES),
  progress: orNull(fc.double({ min: 0, max: 1, noNaN: true }).map((n) => n + 0)),
  dependsOn: fc.array(word, { maxLength: 3 }),
  onDependencyFailure: fc.constantFrom('skip', 'wait'),
  skippedBy: orNull(word),
  parentStepId: orNull(word),
  idempotencyKey: orNull(word),
} as const;

export const runRow: fc.Arbitrary<RunRow> = fc.record(runFields);
export const stepRow: fc.Arbitrary<StepRow> = fc.record(stepFields);
export const eventRow: fc.Arbitrary<EventRow> = fc
  .record({
    seq: count,
    type: word,
    stepId: orNull(word),
    payload: encoded,
    idempotencyKey: orNull(word),
    occurredAt: orNull(time),
    recordedAt: time,
  })
  .map((row) => ({ ...row, occurredAt: row.occurredAt ?? row.recordedAt }));
const artifactFields = {
  id: word,
  name: word,
  version: count,
  revision: count,
  digest: word,
  size: fc.nat(),
  mediaType: fc.oneof(fc.constant('application/octet-stream'), word),
  stepId: orNull(word),
  tags: fc.dictionary(word, word),
  metadata,
  aliases: fc.array(word),
  parents: fc.array(fc.record({ runId: word, name: word, version: count })),
  expiresAt: orNull(time),
  hold: orNull(word),
  deletedAt: orNull(time),
  createdAt: time,
  updatedAt: time,
} as const;
export const artifactRow: fc.Arbitrary<ArtifactRow> = fc.record(artifactFields);

const type = <T extends string>(name: T): fc.Arbitrary<T> => fc.constant(name);
const set = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> =>
  fc.record(fields, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>;

export const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ type: type('run.created'), runId: word, run: runRow }),
  fc.record({
    type: type('run.updated'),
    runId: word,
    version: count,
    set: set<RunRow>(runFields),
  }),
  fc.record({ type: type('run.metered'), runId: word, metrics }),
  fc.record({ type: type('run.deleted'), runId: word, version: count }),
  fc.record({ type: type('step.created'), runId: word, step: stepRow }),
  fc.record({
    type: type('step.updated'),
    runId: word,
    stepId: word,
    version: count,
    set: set<StepRow>(stepFields),
  }),
  fc.record({ type: type('event.appended'), runId: word, event: eventRow }),
  fc.record({ type: type('artifact.put'), runId: word, artifact: artifactRow }),
  fc.record({
    type: type('artifact.updated'),
    runId: word,
    name: word,
    version: count,
    revision: count,
    set: set<ArtifactRow>(artifactFields),
  }),
);
