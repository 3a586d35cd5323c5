import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isStoreError, openStore, Registry, type Store } from '../../src/index.ts';
import { newDatabase } from '../fixtures/newDatabase.ts';

export const BACKENDS = ['file', 'memory', 'sqlite', 'postgres'] as const;
export type Backend = (typeof BACKENDS)[number];

/** A store of its own on a backend, with a registry on it. */
export class RegistryWorld {
  readonly backend: Backend;
  readonly #url: string;
  readonly #drop: () => Promise<void>;
  #stores: Store[] = [];
  store: Store;
  registry: Registry;

  private constructor(backend: Backend, url: string, drop: () => Promise<void>, store: Store) {
    this.backend = backend;
    this.#url = url;
    this.#drop = drop;
    this.#stores.push(store);
    this.store = store;
    this.registry = new Registry(store);
  }

  static async create(backend: Backend): Promise<RegistryWorld> {
    const { url, drop } = await placeOf(backend);
    return new RegistryWorld(backend, url, drop, await openStore(url));
  }

  /** Another registry, as another process would have it: where it can, on a store of its own. */
  async another(): Promise<Registry> {
    if (this.backend === 'file' || this.backend === 'memory') return new Registry(this.store);
    const store = await openStore(this.#url);
    this.#stores.push(store);
    return new Registry(store);
  }

  /** Closes the store and opens it again; in memory there is only another registry then. */
  async reopen(): Promise<void> {
    if (this.backend !== 'memory') {
      await this.#close();
      this.store = await openStore(this.#url);
      this.#stores = [this.store];
    }
    this.registry = new Registry(this.store);
  }

  async #close(): Promise<void> {
    for (const store of this.#stores) await store.close();
  }

  /** What is left behind has to be whole. */
  async remove(): Promise<void> {
    const { findings } = await this.store.verify();
    await this.#close();
    await this.#drop();
    if (findings.length > 0) throw new Error(JSON.stringify(findings));
  }
}

async function placeOf(backend: Backend): Promise<{ url: string; drop: () => Promise<void> }> {
  if (backend === 'memory') return { url: 'memory:', drop: () => Promise.resolve() };
  if (backend !== 'file') return newDatabase(backend);
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-registry-'));
  const drop = () => rm(folder, { recursive: true, force: true });
  return { url: `file:${join(folder, 'data')}`, drop };
}

/** The code and the message of a refusal; any other error is thrown on. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'nothing was refused';
  } catch (error) {
    if (isStoreError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
}
