import fc from 'fast-check';
import { bytesOf, call, pagesOf, type Plan, STEP_IDS, type StoreCalls } from '../calls.ts';
import { type Arb, INPUT, KEY, maybe, METADATA, NUMBER, oneOf, PAYLOAD, TIME } from './values.ts';

/** Events and artifacts. */

export const appendEvent: Arb<Plan> = fc
  .record({
    run: NUMBER,
    type: oneOf('t', 't', 't', 'u'),
    keyed: maybe(fc.record({ idempotencyKey: KEY, payload: INPUT })),
    payload: PAYLOAD,
    stepId: maybe(oneOf(...STEP_IDS)),
    occurredAt: maybe(TIME),
  })
  .map(({ run, keyed, ...rest }) => (picks) => {
    const runId = picks.run(run);
    const event = { ...rest, ...keyed };
    return call('events.append', [runId, event], ({ events }) => events.append(runId, event));
  });

export const listEvents: Arb<Plan<StoreCalls>> = fc
  .record({ run: NUMBER, limit: fc.integer({ min: 1, max: 3 }), after: maybe(fc.nat(4)) })
  .map(({ run, ...how }) => (picks) => {
    const runId = picks.run(run);
    return call('all of events.list', [runId, how], ({ events }) =>
      pagesOf((cursor) => events.list(runId, { ...how, cursor })),
    );
  });

const NAMES = ['a', 'b', '../ü'];
const REF = { name: oneOf(...NAMES), version: maybe(fc.integer({ min: 1, max: 3 })) };
const BODY = oneOf<string | Uint8Array>(
  'one',
  'two',
  '',
  new Uint8Array([0, 255]),
  new Uint8Array(9_000).fill(7),
);

export const putArtifact: Arb<Plan> = fc
  .record({
    run: NUMBER,
    name: oneOf(...NAMES),
    body: BODY,
    mediaType: maybe(fc.constant('text/html')),
    stepId: maybe(oneOf(...STEP_IDS)),
    metadata: maybe(METADATA),
  })
  .map(({ run, name, body, ...rest }) => (picks) => {
    const runId = picks.run(run);
    // Bare ones are often the same again.
    const artifact = run % 2 === 0 ? { name, body } : { name, body, ...rest };
    return call('artifacts.put', [runId, artifact], ({ artifacts }) =>
      artifacts.put(runId, artifact),
    );
  });

export const getArtifact: Arb<Plan> = fc
  .record({ run: NUMBER, ...REF })
  .map(({ run, ...ref }) => (picks) => {
    const runId = picks.run(run);
    return call('artifacts.get', [runId, ref], ({ artifacts }) => artifacts.get(runId, ref));
  });

export const openArtifact: Arb<Plan<StoreCalls>> = fc
  .record({ run: NUMBER, ...REF })
  .map(({ run, ...ref }) => (picks) => {
    const runId = picks.run(run);
    return call('artifacts.open', [runId, ref], ({ artifacts }) =>
      bytesOf(artifacts.open(runId, ref)),
    );
  });
