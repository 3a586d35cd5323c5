import { constants } from 'node:fs';
import {
  type FileSystem,
  isStoreError,
  type Listing,
  type Page,
  type Run,
  type RunEvent,
  type Step,
  type Store,
} from '../../../src/index.ts';

/** What makes a store wrong in one way. It is made anew for each sequence. */
export interface Break {
  /** The parts of the store that are replaced. `life`: 1, 2, 3… openings. */
  readonly store?: (store: Store, life: number) => Partial<Store>;
  readonly disk?: (fileSystem: FileSystem) => FileSystem;
}

interface BrokenStore {
  readonly breaks: () => Break;
  /** By what it has to be found out. */
  readonly seenIn: RegExp;
}

/** By what they do, as the end of a sentence. */
export const BROKEN_STORES: Readonly<Record<string, BrokenStore>> = {
  'keeps the output of a step that is reset': { breaks: keepsOutput, seenIn: /^steps\.get\(/ },
  'leaves the events of a run that is deleted': { breaks: keepsEvents, seenIn: /events\.list\(/ },
  'applies half of a transaction that throws': {
    breaks: () => ({
      store: (store) => ({ transaction: (runIds, work) => halfTransaction(store, runIds, work) }),
    }),
    seenIn: /the reference:/,
  },
  'lists no blocked runs': { breaks: forgetsBlocked, seenIn: /runs\.list\(/ },
  'has lost the last event when it is reopened': { breaks: losesEvent, seenIn: /events\.list\(/ },
  'ignores the version that is expected of a step': {
    breaks: () => ({
      store: ({ steps }) => ({
        steps: but(steps, { update: (runId, id, patch) => steps.update(runId, id, patch) }),
      }),
    }),
    seenIn: /^steps\.update\([^]*code: 'VERSION_CONFLICT'/,
  },
  'serves the newest bytes for every version': {
    breaks: () => ({
      store: ({ artifacts }) => ({
        artifacts: but(artifacts, {
          open: (runId, name) => artifacts.open(runId, name),
        }),
      }),
    }),
    seenIn: /^artifacts\.open\(/,
  },
  'calls ready what has to wait for its time': {
    breaks: () => ({
      store: ({ steps }) => ({
        steps: but(steps, {
          async ready(runId) {
            const { items } = await steps.list(runId, { status: 'queued' });
            return items.filter(({ remaining }) => remaining === 0);
          },
        }),
      }),
    }),
    seenIn: /^steps\.ready\(/,
  },
  'acknowledges commits before they are durable': {
    breaks: () => ({ disk: forgetful }),
    seenIn: /the reference:|is damaged/,
  },
};

function keepsOutput(): Break {
  const kept = new Map<string, Step>();
  return {
    store: ({ steps }) => ({
      steps: but(steps, {
        async reset(runId, stepId, options) {
          const known = (await steps.list(runId, { limit: 1000 })).items;
          const after = await steps.reset(runId, stepId, options);
          const before = known.find(({ id }) => id === stepId) ?? after;
          kept.set(`${runId} ${stepId} ${after.version}`, before);
          return after;
        },
        async get(runId, stepId) {
          const step = await steps.get(runId, stepId);
          const before = kept.get(`${runId} ${stepId} ${step.version}`);
          return before === undefined ? step : { ...step, output: before.output };
        },
      }),
    }),
  };
}

function keepsEvents(): Break {
  const left = new Map<string, readonly RunEvent[]>();
  return {
    store: ({ runs, events }) => ({
      runs: but(runs, {
        async delete(runId, options) {
          const page = await events.list(runId, { limit: 1000 });
          await runs.delete(runId, options);
          left.set(runId, page.items);
        },
      }),
      events: but(events, {
        list: (runId, options) =>
          listing(() =>
            Promise.resolve(events.list(runId, options)).catch((error: unknown) => {
              const items = left.get(runId);
              if (items === undefined || !isStoreError(error, 'NOT_FOUND')) throw error;
              return { items, next: null };
            }),
          ),
      }),
    }),
  };
}

function forgetsBlocked(): Break {
  const others = (page: Page<Run>): Page<Run> => ({
    ...page,
    items: page.items.filter(({ status }) => status !== 'blocked'),
  });
  return {
    store: ({ runs }) => ({
      runs: but(runs, { list: (filter) => changed(runs.list(filter), others) }),
    }),
  };
}

function losesEvent(): Break {
  return {
    store: ({ events }, life) => ({
      events: but(events, {
        list: (runId, options) =>
          changed(events.list(runId, options), (page) =>
            life > 1 && page.next === null ? { ...page, items: page.items.slice(0, -1) } : page,
          ),
      }),
    }),
  };
}

async function halfTransaction<T>(
  store: Store,
  runIds: string | readonly string[],
  work: Parameters<typeof store.transaction<T>>[1],
): Promise<T> {
  let failure: { readonly error: unknown } | undefined;
  const result = await store.transaction(runIds, async (tx) => {
    try {
      return await work(tx);
    } catch (error) {
      failure = { error };
      return undefined;
    }
  });
  if (failure !== undefined) throw failure.error;
  return result as T;
}

/** A disk that says of commits in the journal that they are durable, and does nothing for it. */
function forgetful(fileSystem: FileSystem): FileSystem {
  return but(fileSystem, {
    async open(path, flags, mode) {
      const isOpenedToWrite =
        typeof flags === 'number' &&
        (flags & constants.O_RDWR) !== 0 &&
        (flags & constants.O_CREAT) === 0;
      if (!isOpenedToWrite || !path.includes('journal')) return fileSystem.open(path, flags, mode);
      const handle = await fileSystem.open(path, constants.O_RDWR, mode);
      const sync = (): Promise<void> => Promise.resolve();
      return but(handle, { sync, datasync: sync });
    },
  });
}

/** An object with some of its methods replaced. */
export function but<T extends object>(whole: T, methods: Partial<T>): T {
  return new Proxy(whole, {
    get(target, key) {
      if (Object.hasOwn(methods, key)) return Reflect.get(methods, key) as unknown;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

function changed<T>(list: Listing<T>, change: (page: Page<T>) => Page<T>): Listing<T> {
  return listing(async () => change(await list));
}

/** A list of which only pages are asked for. */
function listing<T>(page: () => Promise<Page<T>>): Listing<T> {
  return {
    // oxlint-disable-next-line unicorn/no-thenable -- it stands for a list of a store
    then: (onPage, onError) => page().then(onPage, onError),
    async *[Symbol.asyncIterator]() {
      yield* (await page()).items;
    },
  };
}
