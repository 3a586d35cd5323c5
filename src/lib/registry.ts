import { isStoreError, StoreError } from './errors.ts';
import { checkObject, invalid } from './model/check.ts';
import type { Run } from './model/entities.ts';
import type { JsonObject, Payload } from './model/payload.ts';
import { checkJsonObject } from './registry/canonical.ts';
import {
  type Catalog,
  catalogOf,
  emptyCatalog,
  overviewOf,
  summaryOf,
  versionSummary,
} from './registry/catalog.ts';
import * as changes from './registry/changes.ts';
import { Contents, encodeContent } from './registry/content.ts';
import type {
  DefinedRunOptions,
  Definition,
  DefinitionListOptions,
  DefinitionOverview,
  DefinitionSummary,
  HistoryEntry,
  PublishOptions,
  Schemas,
  Usage,
  UsageFilter,
} from './registry/definition.ts';
import { historyEntry } from './registry/history.ts';
import { isSameSchema, takeSchemas } from './registry/keepSchema.ts';
import { MappedListing } from './registry/mappedListing.ts';
import {
  checkDefinitionName,
  checkKind,
  checkReason,
  checkTag,
  checkVersion,
  formatRef,
  LATEST,
  nameOfRun,
  noDefinition,
  parseRef,
  REGISTRY_WORKFLOW,
  runIdOf,
} from './registry/names.ts';
import { matchingVersions, selectVersion, warningsOf } from './registry/select.ts';
import { loadSemver } from './registry/semver.ts';
import { Turns } from './registry/turns.ts';
import { countUsage } from './registry/usage.ts';
import { Validators } from './registry/validators.ts';
import { createDefinition, findCatalog, putContent, writeChange } from './registry/write.ts';
import type { EventListOptions, Listing, Store, Transaction } from './store/contract.ts';

export type * from './registry/definition.ts';
export { REGISTRY_LIMITS } from './registry/limits.ts';
export { REGISTRY_WORKFLOW } from './registry/names.ts';

const PUBLISH_OPTIONS: ReadonlySet<string> = new Set<keyof PublishOptions>([
  'input',
  'output',
  'kind',
  'tags',
]);
const LIST_OPTIONS: ReadonlySet<string> = new Set<keyof DefinitionListOptions>([
  'kind',
  'limit',
  'cursor',
]);
const SCHEMAS: ReadonlySet<string> = new Set<keyof Schemas>(['input', 'output']);

/** Transactions of a change, each with tries of its own. */
const ROUNDS_MAX = 20;

const DEFAULT_KIND = 'workflow';

/**
 * Versioned definitions (agents, templates, tools, workflows) that runs execute, kept in the store that
 * it is given: on every backend, in every backup. A published version never changes. A definition is a
 * run of the workflow `holdfast.registry` that is never executed; its versions are artifacts, its history
 * is events, and its tags and marks are metadata, changed together in one transaction. Any number of
 * registries may stand on one store. Closing the store ends it.
 */
export class Registry {
  readonly #store: Store;
  readonly #contents: Contents;
  readonly #validators = new Validators();
  readonly #turns = new Turns();

  constructor(store: Store) {
    this.#store = store;
    this.#contents = new Contents(store);
  }

  /**
   * Makes a version, for good. The same content once more changes nothing, no tag either; another
   * content is `VERSION_EXISTS`. `latest` moves along unless the version is lower, or a prerelease.
   * The code of Standard Schemas stays with this registry, also when the version was there already.
   */
  async publish(
    name: string,
    version: string,
    manifest: JsonObject,
    options: PublishOptions = {},
  ): Promise<Definition> {
    const semver = await loadSemver();
    checkDefinitionName(name);
    checkVersion(semver, version);
    checkObject(options, 'options', PUBLISH_OPTIONS);
    const json = checkJsonObject(manifest, 'manifest');
    const tags = (options.tags ?? []).map((tag, i) => checkTag(semver, tag, `options.tags[${i}]`));
    const kind = kindOf(options, json);
    const given = takeSchemas(options);
    await this.#validators.tryOut(given);
    const kept = {
      manifest: json,
      input: given.input?.kept ?? null,
      output: given.output?.kept ?? null,
    };
    const catalog = await this.#transaction(name, async (tx, existing) => {
      const before = existing ?? emptyCatalog(name, kind ?? DEFAULT_KIND);
      if (kind !== undefined && kind !== before.kind) {
        throw invalid('kind', `is ${kind}, and ${name} is of kind ${before.kind}`);
      }
      const encoded = encodeContent({ name, version, kind: before.kind, ...kept });
      const known = before.versions.get(version);
      if (known?.checksum === encoded.checksum) return before;
      if (known !== undefined) throw versionExists(name, version);
      if (existing === undefined) await createDefinition(tx, before);
      const stored = await putContent(tx, name, version, encoded);
      return writeChange(tx, changes.published(semver, before, version, stored, tags));
    });
    const definition = await this.#definition(catalog, version);
    this.#validators.provide(definition.checksum, given);
    return definition;
  }

  /**
   * Hands in the code of the Standard Schemas with which a version was published by another process.
   * `INVALID_ARGUMENT` when they are not the same.
   */
  async provideSchemas(name: string, version: string, schemas: Schemas): Promise<void> {
    checkObject(schemas, 'schemas', SCHEMAS);
    const given = takeSchemas(schemas);
    const definition = await this.get(name, version);
    for (const side of ['input', 'output'] as const) {
      const kept = given[side]?.kept;
      if (kept === undefined || isSameSchema(kept, definition[side])) continue;
      throw invalid(`schemas.${side}`, `is not the one that ${name}@${version} was published with`);
    }
    this.#validators.provide(definition.checksum, given);
  }

  /**
   * What `name@1.2.0`, `name@^1.2`, `name@tag` or `name` (which is `name@latest`) means now, or the `ref`
   * of a definition, with which a run is pinned. A version that is yanked is found by its number or a
   * tag, never by a range; `warnings` say so. `NOT_FOUND` where nothing matches; `DATA_CORRUPT` where
   * the content, or the checksum in a `ref`, is another.
   */
  async resolve(ref: string): Promise<Definition> {
    const semver = await loadSemver();
    const { name, selector, checksum } = parseRef(ref);
    const catalog = await this.#catalog(name);
    const definition = await this.#definition(catalog, selectVersion(semver, catalog, selector));
    if (checksum === undefined || checksum === definition.checksum) return definition;
    const message = `${name}@${definition.version} is not the content that ${ref} names`;
    throw new StoreError('DATA_CORRUPT', message, { id: name });
  }

  /** One version, by its number. */
  async get(name: string, version: string): Promise<Definition> {
    checkVersion(await loadSemver(), version);
    return this.#definition(await this.#catalog(name), version);
  }

  /** A definition with all of its versions, without their contents. */
  async describe(name: string): Promise<DefinitionOverview> {
    return overviewOf(await this.#run(name), await loadSemver());
  }

  /** All definitions, or those of a kind; the one that was first published last comes first. */
  list(options: DefinitionListOptions = {}): Listing<DefinitionSummary> {
    checkObject(options, 'options', LIST_OPTIONS);
    const { kind, ...page } = options;
    const tags = kind === undefined ? undefined : { kind: checkKind(kind, 'options.kind') };
    const runs = this.#store.runs.list({ ...page, workflow: REGISTRY_WORKFLOW, tags });
    return new MappedListing(runs, {
      item: (run) => (nameOfRun(run.id) === undefined ? undefined : summaryOf(run)),
      error: (error) => error,
    });
  }

  /** What was done to a definition, oldest first. */
  history(name: string, options: EventListOptions = {}): Listing<HistoryEntry> {
    const events = this.#store.events.list(runIdOf(checkDefinitionName(name)), options);
    return new MappedListing(events, {
      item: historyEntry,
      error: (error) => (isStoreError(error, 'NOT_FOUND') ? noDefinition(name, error) : error),
    });
  }

  /** Lets a tag point at a version. A yanked one takes none: `INVALID_ARGUMENT`. */
  async tag(name: string, tag: string, version: string): Promise<Definition> {
    const semver = await loadSemver();
    checkTag(semver, tag);
    checkVersion(semver, version);
    const catalog = await this.#change(name, (now) => changes.tagged(now, tag, version));
    return this.#definition(catalog, version);
  }

  async untag(name: string, tag: string): Promise<void> {
    checkTag(await loadSemver(), tag);
    await this.#change(name, (now) => changes.untagged(now, tag));
  }

  /**
   * Lets a tag point again at what it pointed at before, yanked versions left out; once more goes one
   * step further back. `NOT_FOUND` when there is nothing to go back to. Ranges do not follow: a version
   * that they are not to find is yanked.
   */
  async rollback(name: string, tag: string = LATEST): Promise<Definition> {
    checkTag(await loadSemver(), tag);
    const catalog = await this.#change(name, (now) => changes.rolledBack(now, tag));
    return this.#definition(catalog, catalog.tags.get(tag)?.version ?? '');
  }

  /** It goes on as before, with a warning. `null` takes it back. */
  async deprecate(name: string, version: string, reason: string | null): Promise<Definition> {
    checkVersion(await loadSemver(), version);
    checkReason(reason, 'reason');
    const catalog = await this.#change(name, (now) => changes.deprecated(now, version, reason));
    return this.#definition(catalog, version);
  }

  /**
   * No range finds it any more, and `latest` falls back to the highest version that is left; runs that
   * are pinned to it go on. `null` takes it back, and leaves `latest` where it is.
   */
  async yank(name: string, version: string, reason: string | null): Promise<Definition> {
    const semver = await loadSemver();
    checkVersion(semver, version);
    checkReason(reason, 'reason');
    const decide = (now: Catalog) => changes.yanked(semver, now, version, reason);
    return this.#definition(await this.#change(name, decide), version);
  }

  /**
   * How many runs are pinned to the versions that `ref` means: to all of them for a name alone, also to
   * yanked ones for a range. It reads each run of the definition once.
   */
  async usage(ref: string, filter: UsageFilter = {}): Promise<Usage> {
    const { name, selector } = parseRef(ref);
    const catalog = await this.#catalog(name);
    const versions = matchingVersions(await loadSemver(), catalog, selector);
    return countUsage(this.#store, catalog, versions, filter);
  }

  /**
   * Creates a run of the workflow `name`, pinned to the version that `ref` means now by its
   * `definition`. The input is stored as it was given. `INVALID_INPUT` with `issues` when it does not
   * fit; `VALIDATOR_MISSING` when only code could tell, and this registry was not given it.
   */
  async createRun(ref: string, input?: Payload, options: DefinedRunOptions = {}): Promise<Run> {
    const definition = await this.resolve(ref);
    await this.#validators.check(definition, 'input', input ?? null);
    const { name: workflow, ref: pinned } = definition;
    return this.#store.runs.create({ ...options, workflow, definition: pinned, input });
  }

  /** Whether `createRun` would take this input: rejects as it would. */
  async validateInput(ref: string, input?: Payload): Promise<void> {
    await this.#validators.check(await this.resolve(ref), 'input', input ?? null);
  }

  /**
   * Checks an output against the version that the run (or the run with this id) is pinned to, before
   * the run is updated with it: `INVALID_OUTPUT` with `issues` when it does not fit.
   */
  async validateOutput(
    run: Pick<Run, 'id' | 'definition'> | string,
    output?: Payload,
  ): Promise<void> {
    const { id, definition } = typeof run === 'string' ? await this.#store.runs.get(run) : run;
    if (definition === null) throw invalid('run', `${id} has no definition`);
    await this.#validators.check(await this.resolve(definition), 'output', output ?? null);
  }

  async #run(name: string): Promise<Run> {
    checkDefinitionName(name);
    try {
      return await this.#store.runs.get(runIdOf(name));
    } catch (error) {
      throw isStoreError(error, 'NOT_FOUND') ? noDefinition(name, error) : error;
    }
  }

  async #catalog(name: string): Promise<Catalog> {
    return catalogOf(await this.#run(name));
  }

  async #definition(catalog: Catalog, version: string): Promise<Definition> {
    const content = await this.#contents.read(catalog, version);
    const summary = versionSummary(catalog, version);
    const ref = formatRef(catalog.name, version, summary.checksum);
    return { ...content, ...summary, ref, warnings: warningsOf(catalog, version) };
  }

  #change(name: string, decide: (catalog: Catalog) => changes.Changed): Promise<Catalog> {
    return this.#transaction(name, (tx, existing) => {
      if (existing === undefined) throw noDefinition(name);
      return writeChange(tx, decide(existing));
    });
  }

  #transaction(
    name: string,
    work: (tx: Transaction, existing: Catalog | undefined) => Promise<Catalog>,
  ): Promise<Catalog> {
    const runId = runIdOf(checkDefinitionName(name));
    const transaction = () =>
      this.#store.transaction(runId, async (tx) => work(tx, await findCatalog(tx, runId)));
    return this.#turns.take(name, () => untilMyTurn(transaction));
  }
}

/**
 * Whoever publishes in other processes may be faster ten times in a row, which is where a transaction
 * gives up. Each of these times one of them was done; so this ends with the last of them.
 */
async function untilMyTurn<T>(transaction: () => Promise<T>): Promise<T> {
  for (let round = 1; ; round++) {
    try {
      return await transaction();
    } catch (error) {
      if (!isStoreError(error, 'VERSION_CONFLICT') || round === ROUNDS_MAX) throw error;
    }
  }
}

/** Nothing is said of it: then it is as the versions before. */
function kindOf({ kind }: PublishOptions, manifest: JsonObject): string | undefined {
  if (kind !== undefined) return checkKind(kind, 'options.kind');
  const { kind: own } = manifest;
  return typeof own === 'string' ? checkKind(own, 'manifest.kind') : undefined;
}

function versionExists(name: string, version: string): StoreError {
  const message = `${name}@${version} is published with another content, and does not change`;
  return new StoreError('VERSION_EXISTS', message, { id: name });
}
