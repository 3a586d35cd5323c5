import { describe, expect, test } from '@jest/globals';
import { openStore, type Store } from '../../src/index.ts';
import { describeStoreContract, type Hook, type TestRunner } from '../../src/testkit.ts';

/** Turns a whole store into one that is wrong in one way. */
type Break = (store: Store) => Partial<Store>;

interface Case {
  readonly name: string;
  readonly body: () => Promise<void>;
}

/** Runs the suite over broken stores, test by test, until one of its tests fails. */
async function firstToFail(breaks: Break, only: RegExp): Promise<string | undefined> {
  const cases: Case[] = [];
  const before: Parameters<Hook>[0][] = [];
  const after: Parameters<Hook>[0][] = [];
  const runner: TestRunner = {
    describe: (_name, body) => body(),
    it: (name, body) => void cases.push({ name, body }),
    expect,
    beforeEach: (body) => void before.push(body),
    afterEach: (body) => void after.push(body),
  };
  const open = async (): Promise<Store> => broken(await openStore('memory:'), breaks);
  const destroy = async (): Promise<void> => undefined;
  describeStoreContract('broken', { open, destroy, reopens: false, runner });
  for (const { name, body } of cases.filter((each) => only.test(each.name))) {
    for (const hook of before) await hook();
    try {
      await body();
    } catch {
      return name;
    } finally {
      for (const hook of after) await hook();
    }
  }
  return undefined;
}

function broken(store: Store, breaks: Break): Store {
  const parts = new Map<PropertyKey, unknown>(Object.entries(breaks(store)));
  return new Proxy(store, {
    get(target, key) {
      if (parts.has(key)) return parts.get(key);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** A service with some of its methods replaced. */
function but<Service extends object>(service: Service, methods: Partial<Service>): Service {
  return new Proxy(service, {
    get(target, key) {
      if (Object.hasOwn(methods, key)) return Reflect.get(methods, key) as unknown;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

const mutants: readonly (readonly [string, RegExp, Break])[] = [
  ['is whole', /RM-3|EM-1|ST-1/, () => ({})],
  [
    'ignores ifVersion',
    /RM-3/,
    ({ runs }) => ({ runs: but(runs, { update: (id, patch) => runs.update(id, patch) }) }),
  ],
  [
    'forgets idempotency keys of steps',
    /SM-2/,
    ({ steps }) => ({
      steps: but(steps, {
        create: (id, step) => steps.create(id, { ...step, idempotencyKey: undefined }),
      }),
    }),
  ],
  [
    'numbers events with gaps',
    /EM-1/,
    ({ events }) => ({
      events: but(events, {
        async append(id, input) {
          const event = await events.append(id, input);
          return { ...event, seq: event.seq * 2 };
        },
      }),
    }),
  ],
  [
    'writes through a transaction at once',
    /ST-1/,
    (store) => ({
      transaction: (_ids, work) => work(store),
    }),
  ],
  [
    'drops the `seq` asked for in a tail',
    /EM-2/,
    ({ events }) => ({
      events: but(events, { tail: (id, options) => events.tail(id, { ...options, after: 0 }) }),
    }),
  ],
  [
    'counts a repeated put as a version',
    /none for the same again/,
    ({ artifacts }) => ({
      artifacts: but(artifacts, {
        put: (id, artifact) =>
          artifacts.put(id, { ...artifact, metadata: { unique: performance.now() } }),
      }),
    }),
  ],
  [
    'says that everything is ready',
    /SM-3/,
    ({ steps }) => ({
      steps: but(steps, { ready: async (id) => (await steps.list(id)).items }),
    }),
  ],
  [
    'ignores the filter of a list',
    /ask for/,
    ({ runs }) => ({ runs: but(runs, { list: ({ limit } = {}) => runs.list({ limit }) }) }),
  ],
  [
    'begins to watch only when it is asked for a commit',
    /begins at the call/,
    (store) => ({
      async *watch(options) {
        yield* store.watch(options);
      },
    }),
  ],
  [
    'hands out more than the staging of a transaction',
    /no more than/,
    (store) => ({
      transaction: (ids, work) => store.transaction(ids, (tx) => work({ ...tx, runs: store.runs })),
    }),
  ],
  [
    'ignores the run that is watched',
    /of one run/,
    (store) => ({ watch: (options) => store.watch({ ...options, runId: undefined }) }),
  ],
];

describe('the contract suite', () => {
  test.each(mutants)('tells a store that %s', async (what, only, breaks) => {
    const failed = await firstToFail(breaks, only);
    if (what === 'is whole') expect(failed).toBeUndefined();
    else expect(failed).toMatch(only);
  });

  test('asks for a runner where none is global', () => {
    const { it } = globalThis as { it?: unknown };
    Reflect.deleteProperty(globalThis, 'it');
    try {
      const open = (): Promise<Store> => openStore('memory:');
      const declare = (): void =>
        describeStoreContract('x', { open, destroy: async () => undefined });
      expect(declare).toThrow('no global it: hand in the functions of your test runner');
    } finally {
      Reflect.set(globalThis, 'it', it);
    }
  });
});
