import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, test } from '@jest/globals';
import {
  type ErrorCode,
  isStoreError,
  type Listing,
  type Page,
  type PageOptions,
  type Store,
  type Transaction,
} from '../../src/index.ts';
import { ReferenceStore, type ReferenceTransaction } from '../../src/testkit/referenceStore.ts';
import { describeStoreContract, type TestRunner } from '../../src/testkit.ts';

/** Its calls as those of a store: each gives a promise, and a list can be iterated. */
function callsOf({ runs, steps, events, artifacts }: ReferenceStore | ReferenceTransaction) {
  return {
    runs: {
      create: later(runs.create.bind(runs)),
      get: later(runs.get.bind(runs)),
      list: listing(runs.list.bind(runs)),
      update: later(runs.update.bind(runs)),
      reset: later(runs.reset.bind(runs)),
      retry: later(runs.retry.bind(runs)),
      delete: later(runs.delete.bind(runs)),
    },
    steps: {
      create: later(steps.create.bind(steps)),
      get: later(steps.get.bind(steps)),
      list: (runId: string, filter = {}) =>
        listing((page) => steps.list(runId, { ...filter, ...page }))(filter),
      ready: later(steps.ready.bind(steps)),
      update: later(steps.update.bind(steps)),
      reset: later(steps.reset.bind(steps)),
      retry: later(steps.retry.bind(steps)),
    },
    events: {
      append: later(events.append.bind(events)),
      list: (runId: string, options = {}) =>
        listing((page) => events.list(runId, { ...options, ...page }))(options),
    },
    artifacts: {
      put: later(artifacts.put.bind(artifacts)),
      get: later(artifacts.get.bind(artifacts)),
      update: later(artifacts.update.bind(artifacts)),
      delete: later(artifacts.delete.bind(artifacts)),
      async *open(...args: Parameters<typeof artifacts.open>) {
        yield artifacts.open(...args);
      },
      list: (runId: string, options = {}) =>
        listing((page) => artifacts.list(runId, { ...options, ...page }))(options),
    },
  };
}

function later<Args extends readonly unknown[], T>(call: (...args: Args) => T) {
  return async (...args: Args): Promise<T> => structuredClone(call(...args));
}

function listing<O extends PageOptions, T>(list: (options: O) => Page<T>) {
  return (options: O = {} as O): Listing<T> => ({
    // oxlint-disable-next-line unicorn/no-thenable -- it stands for a list of a store
    then: (onPage, onError) => later(list)(options).then(onPage, onError),
    async *[Symbol.asyncIterator]() {
      for (let cursor = options.cursor; ;) {
        const { items, next } = await later(list)({ ...options, cursor });
        yield* items;
        if (next === null) return;
        cursor = next;
      }
    },
  });
}

/** As much of a store as the contract suite needs to judge the reference. */
function openReference(): Store {
  let time = Date.now();
  const world = { now: () => Date.now(), at: () => new Date(time++), freshId: () => randomUUID() };
  const reference = new ReferenceStore(world);
  const calls = callsOf(reference);
  const transaction = async <T>(
    runIds: string | readonly string[],
    work: (tx: Transaction) => Promise<T>,
  ): Promise<T> => {
    const tx = reference.begin([runIds].flat());
    const result = await work(callsOf(tx));
    tx.commit();
    return result;
  };
  const rest = {
    status: 'open',
    transaction,
    position: () => String(reference.commits),
    verify: async () => ({ findings: [] }),
    close: async () => undefined,
  };
  return { ...calls, ...rest } as unknown as Store;
}

/**
 * What of the contract the reference does not speak of: what the types forbid and what is over a
 * limit, texts of messages, streams, `watch`, tails, pins, figures, closing, and calls at once.
 */
const SECTIONS_BEYOND = [
  'a tail of events',
  'a transaction and other writers',
  'a transaction that runs again',
  'arguments',
  'a query of artifacts',
  'artifacts with a time to live',
  'the lineage of an artifact',
  'watch',
  'a store as a whole',
  'every operation',
  'what a transaction hands out',
];
const TESTS_BEYOND = new RegExp(
  [
    'makes an id of its own',
    'refuses cycles with their path',
    'of a run that is not there are refused \\[EM-1\\]',
    'whichever way they were handed in',
    'with a source that breaks',
    'that is not bytes or text',
    'of 8 MiB',
    'that JSON cannot hold',
    'with NUL',
    'as one commit of the log',
    'over two runs',
    'names its runs',
    'ends the tails',
  ].join('|'),
);

describe('the reference passes what the contract suite says of', () => {
  const all: TestRunner = { describe, it, expect, beforeEach, afterEach };
  let isBeyond = false;
  describeStoreContract('the reference', {
    open: async () => openReference(),
    destroy: async () => undefined,
    reopens: false,
    runner: {
      ...all,
      describe: (name, body) => {
        isBeyond = SECTIONS_BEYOND.some((section) => name.startsWith(section));
        if (!isBeyond) all.describe(name, body);
      },
      it: (name, body) => {
        if (!TESTS_BEYOND.test(name)) all.it(name, body);
      },
    },
  });
});

/** A reference whose ids are 1, 2, 3… and whose time stands still. */
function referenceAt(ms: number): ReferenceStore {
  let made = 0;
  const world = { now: () => ms, at: () => new Date(ms), freshId: () => String(++made) };
  return new ReferenceStore(world);
}

function codeOf(work: () => unknown): ErrorCode | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
}

describe('the reference', () => {
  test('takes ids and times from its world', () => {
    const { runs, events } = referenceAt(5_000);
    const run = runs.create({ workflow: 'w' });
    expect(run).toMatchObject({ id: '1', createdAt: new Date(5_000) });
    expect(runs.create({ workflow: 'w' }).id).toBe('2');
    expect(events.append(run.id, { type: 't' }).recordedAt).toEqual(new Date(5_000));
  });

  test('counts one commit for each call that wrote, and none for others', () => {
    const reference = referenceAt(0);
    reference.runs.create({ id: 'r', workflow: 'w' });
    reference.runs.update('r', {});
    const refused = () => reference.runs.update('r', { status: 'succeeded' });
    expect(codeOf(refused)).toBe('INVALID_TRANSITION');
    expect(reference.commits).toBe(1);
    reference.steps.create('r', { id: 's', name: 's' });
    reference.steps.update('r', 's', { metrics: { ms: 1 } });
    expect(reference.commits).toBe(3);
  });

  test('shows what a transaction did once it is committed, at once and as one commit [ST-1]', () => {
    const reference = referenceAt(0);
    for (const id of ['a', 'b']) reference.runs.create({ id, workflow: 'w' });
    for (const commits of [false, true]) {
      const tx = reference.begin(['a', 'b']);
      tx.runs.update('a', { status: 'running' });
      tx.events.append('b', { type: 't' });
      expect(tx.runs.get('a').status).toBe('running');
      expect(reference.runs.get('a').status).toBe('queued');
      if (commits) tx.commit();
    }
    expect(reference.runs.get('a')).toMatchObject({ status: 'running', version: 2 });
    expect(reference.events.list('b').items).toHaveLength(1);
    expect(reference.commits).toBe(3);
    reference.begin(['a']).commit();
    expect(reference.commits).toBe(3);
  });

  test('holds a transaction to the runs that it names', () => {
    const reference = referenceAt(0);
    for (const id of ['a', 'b']) reference.runs.create({ id, workflow: 'w' });
    const tx = reference.begin(['a']);
    const calls = [
      () => reference.begin([]),
      () => tx.runs.get('b'),
      () => tx.runs.create({ workflow: 'w' }),
      () => tx.runs.create({ workflow: 'w', idempotencyKey: 'k' }),
    ];
    expect(calls.map(codeOf)).toEqual(calls.map(() => 'INVALID_ARGUMENT'));
  });

  test('refuses steps that lead back to themselves, that are missing, or named twice [SM-3]', () => {
    const { runs, steps } = referenceAt(0);
    runs.create({ id: 'r', workflow: 'w' });
    steps.create('r', { id: 'a', name: 'a' });
    steps.create('r', { id: 'b', name: 'b', dependsOn: ['a'] });
    const depend = (id: string, dependsOn: string[]) => () => steps.update('r', id, { dependsOn });
    const calls = [depend('a', ['b']), depend('a', ['a']), depend('b', ['a', 'a'])];
    expect(calls.map(codeOf)).toEqual(calls.map(() => 'INVALID_ARGUMENT'));
    expect(codeOf(depend('b', ['ghost']))).toBe('NOT_FOUND');
    expect(codeOf(depend('b', []))).toBeUndefined();
  });

  test('has the bytes of every version [AR-1]', () => {
    const { runs, artifacts } = referenceAt(0);
    runs.create({ id: 'r', workflow: 'w' });
    for (const body of ['one', 'two', 'two']) artifacts.put('r', { name: 'a', body });
    const text = (version?: number) => {
      return Buffer.from(artifacts.open('r', 'a', { version })).toString();
    };
    expect([text(1), text(2), text()]).toEqual(['one', 'two', 'two']);
    expect(codeOf(() => text(3))).toBe('NOT_FOUND');
  });
});
