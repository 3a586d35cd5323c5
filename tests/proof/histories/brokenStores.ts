import { setImmediate } from 'node:timers/promises';
import type { Run, RunEvent } from '../../../src/index.ts';
import type { Break } from './history.ts';

/** An object with some of its methods replaced. */
function but<Service extends object>(service: Service, methods: Partial<Service>): Service {
  return new Proxy(service, {
    get(target, key) {
      if (Object.hasOwn(methods, key)) return Reflect.get(methods, key) as unknown;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** True the first time, and then every third. */
function everyThird(): () => boolean {
  let calls = 0;
  return () => calls++ % 3 === 0;
}

/** Reads a run from before its last write. */
const staleRead: Break = (store) => {
  const before = new Map<string, Run>();
  return but(store, {
    runs: but(store.runs, {
      async get(id) {
        const stale = before.get(id);
        before.delete(id);
        return stale ?? store.runs.get(id);
      },
      async update(id, patch, options) {
        const old = await store.runs.get(id);
        const run = await store.runs.update(id, patch, options);
        before.set(id, old);
        return run;
      },
    }),
  });
};

/** Answers an append that was never stored. */
const lostAppend: Break = (store) => {
  const isLost = everyThird();
  return but(store, {
    events: but(store.events, {
      async append(id, input) {
        if (input.idempotencyKey !== undefined || !isLost()) return store.events.append(id, input);
        const { items } = await store.events.list(id);
        const now = new Date();
        const { type, payload = null } = input;
        const event: RunEvent = {
          runId: id,
          seq: items.length + 1,
          type,
          payload,
          stepId: null,
          idempotencyKey: null,
          occurredAt: now,
          recordedAt: now,
        };
        return event;
      },
    }),
  });
};

/** Compares the version first and writes later: two callers may both find it right. */
const lateCompare: Break = (store) =>
  but(store, {
    runs: but(store.runs, {
      async update(id, patch, options) {
        if (options?.ifVersion === undefined) return store.runs.update(id, patch);
        const { version } = await store.runs.get(id);
        if (version !== options.ifVersion) return store.runs.update(id, patch, options);
        await setImmediate();
        const run = await store.runs.update(id, patch);
        return { ...run, version: version + 1 };
      },
    }),
  });

/** Answers the repetition of an append with the newest event. */
const wrongRepetition: Break = (store) =>
  but(store, {
    events: but(store.events, {
      async append(id, input) {
        const event = await store.events.append(id, input);
        const { items } = await store.events.list(id);
        return items.at(-1) ?? event;
      },
    }),
  });

/** Shows an update that is not durable yet, and may be refused or lost. */
const dirtyRead: Break = (store) => {
  const dirty = new Map<string, Run>();
  return but(store, {
    runs: but(store.runs, {
      get: async (id) => dirty.get(id) ?? store.runs.get(id),
      async update(id, patch, options) {
        const run = await store.runs.get(id);
        const { priority = run.priority, status = run.status } = patch;
        dirty.set(id, { ...run, version: run.version + 1, priority, status });
        try {
          return await store.runs.update(id, patch, options);
        } finally {
          dirty.delete(id);
        }
      },
    }),
  });
};

/** Writes a transaction piece by piece, where others can see the pieces. */
const tornTransaction: Break = (store) => but(store, { transaction: (_ids, work) => work(store) });

/** Deletes a run, and gives its events back to the next one of its id. */
const undeadEvents: Break = (store) => {
  const undead = new Map<string, readonly RunEvent[]>();
  return but(store, {
    runs: but(store.runs, {
      async delete(id, options) {
        const { items } = await store.events.list(id);
        await store.runs.delete(id, options);
        undead.set(id, items);
      },
    }),
    events: but(store.events, {
      list(id, options) {
        const listed = store.events.list(id, options);
        const before = undead.get(id) ?? [];
        if (before.length === 0) return listed;
        return but(listed, {
          // oxlint-disable-next-line unicorn/no-thenable -- a list is awaited
          then: (onPage, onError) =>
            listed
              .then((page) => ({ ...page, items: [...before, ...page.items] }))
              .then(onPage, onError),
        });
      },
    }),
  });
};

/** Stores that are wrong in one way each, by what is wrong. */
export const BROKEN_STORES: Readonly<Record<string, Break>> = {
  'reads from before the last write': staleRead,
  'answers an append and loses it': lostAppend,
  'lets two through the same ifVersion': lateCompare,
  'answers a repetition with another event': wrongRepetition,
  'shows a write that is taken back': dirtyRead,
  'writes a transaction piece by piece': tornTransaction,
  'keeps the events of a deleted run': undeadEvents,
};
