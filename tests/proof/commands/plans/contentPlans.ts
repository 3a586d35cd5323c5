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
const ALIASES = maybe(fc.array(oneOf('best', 'prod', 'ä'), { maxLength: 2 }));
const VERSION = maybe(fc.integer({ min: 1, max: 3 }));
const WHICH = fc.oneof(
  fc.record({ version: VERSION }),
  fc.record({ alias: oneOf('best', 'prod', 'latest') }),
);
const TAGS = maybe(fc.dictionary(oneOf('k', 'l'), oneOf('1', '2'), { maxKeys: 2 }));
const RANGE = fc
  .record({ start: fc.nat(4), length: maybe(fc.nat(4)) })
  .map(({ start, length }) => ({ start, end: length === undefined ? undefined : start + length }));
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
    tags: TAGS,
    aliases: ALIASES,
  })
  .map(({ run, name, body, ...rest }) => (picks) => {
    const runId = picks.run(run);
    // Bare ones are often the same again.
    const artifact = run % 2 === 0 ? { name, body } : { name, body, ...rest };
    return call('artifacts.put', [runId, artifact], ({ artifacts }) =>
      artifacts.put(runId, artifact),
    );
  });

/** Parents are versions of the same run, or of another: there or not. */
export const deriveArtifact: Arb<Plan<StoreCalls>> = fc
  .record({
    run: NUMBER,
    name: oneOf(...NAMES),
    body: BODY,
    from: NUMBER,
    parent: fc.record({ name: oneOf(...NAMES), version: fc.integer({ min: 1, max: 2 }) }),
  })
  .map(({ run, from, parent, ...rest }) => (picks) => {
    const runId = picks.run(run);
    const artifact = { ...rest, parents: [{ runId: picks.run(from), ...parent }] };
    return call('artifacts.put', [runId, artifact], ({ artifacts }) =>
      artifacts.put(runId, artifact),
    );
  });

export const updateArtifact: Arb<Plan> = fc
  .record({
    run: NUMBER,
    name: oneOf(...NAMES),
    which: WHICH,
    ifVersion: maybe(fc.integer({ min: 1, max: 2 })),
    patch: fc.record({
      mediaType: maybe(fc.constant('text/html')),
      metadata: maybe(METADATA),
      tags: TAGS,
      aliases: ALIASES,
      ttl: maybe(oneOf(null, 1, 60_000)),
      hold: maybe(oneOf(null, null, 'a case')),
    }),
  })
  .map(({ run, name, which, ifVersion, patch }) => (picks) => {
    const runId = picks.run(run);
    const how = { ...which, ifVersion };
    return call('artifacts.update', [runId, name, patch, how], ({ artifacts }) =>
      artifacts.update(runId, name, patch, how),
    );
  });

export const deleteArtifact: Arb<Plan> = fc
  .record({ run: NUMBER, name: oneOf(...NAMES), which: WHICH, allVersions: maybe(fc.boolean()) })
  .map(({ run, name, which, allVersions }) => (picks) => {
    const runId = picks.run(run);
    const how = { ...which, allVersions };
    return call('artifacts.delete', [runId, name, how], ({ artifacts }) =>
      artifacts.delete(runId, name, how),
    );
  });

export const getArtifact: Arb<Plan> = fc
  .record({ run: NUMBER, name: oneOf(...NAMES), which: WHICH })
  .map(({ run, name, which }) => (picks) => {
    const runId = picks.run(run);
    return call('artifacts.get', [runId, name, which], ({ artifacts }) =>
      artifacts.get(runId, name, which),
    );
  });

export const openArtifact: Arb<Plan<StoreCalls>> = fc
  .record({ run: NUMBER, name: oneOf(...NAMES), which: WHICH, range: maybe(RANGE) })
  .map(({ run, name, which, range }) => (picks) => {
    const runId = picks.run(run);
    const how = { ...which, range };
    return call('artifacts.open', [runId, name, how], ({ artifacts }) =>
      bytesOf(artifacts.open(runId, name, how)),
    );
  });
