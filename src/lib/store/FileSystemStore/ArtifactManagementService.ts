import {
  checkNewArtifact,
  decideDeleteArtifact,
  decideExpireArtifacts,
  decidePutArtifact,
  decideUpdateArtifact,
  isExpired,
  requireArtifact,
  type VersionRef,
} from '../../model/artifact.ts';
import { checkInteger, checkObject } from '../../model/check.ts';
import type { ArtifactPatch, NewArtifact, WriteOptions } from '../../model/commands.ts';
import { requireRun } from '../../model/decision.ts';
import type { Artifact, ArtifactRow, ArtifactVersion } from '../../model/entities.ts';
import { toArtifact } from '../../model/represent.ts';
import type { RunState } from '../../model/runState.ts';
import type { ArtifactCatalog } from '../commands/artifactCatalog.ts';
import { LINEAGE_OPTIONS, lineageOf } from '../commands/lineage.ts';
import type {
  ArtifactBody,
  ArtifactFilter,
  ArtifactListOptions,
  Artifacts,
  DeleteArtifactOptions,
  ExpireOptions,
  Lineage,
  LineageOptions,
  Listing,
  OpenArtifactOptions,
  Page,
  WhichVersion,
} from '../contract.ts';
import type { Blobs, ByteRange } from '../commands/blobs.ts';
import { checkLimit, fromListCursor, PagedListing, toListCursor } from '../commands/listing.ts';
import { refuseAborted } from '../commands/signal.ts';
import type { RunWriter } from '../commands/writer.ts';

const LIST_OPTIONS: ReadonlySet<string> = new Set<keyof ArtifactListOptions>([
  'limit',
  'cursor',
  'allVersions',
  'deleted',
]);
const GET_OPTIONS: ReadonlySet<string> = new Set<keyof WhichVersion>(['version', 'alias']);
const OPEN_OPTIONS: ReadonlySet<string> = new Set([...GET_OPTIONS, 'range']);
const UPDATE_OPTIONS: ReadonlySet<string> = new Set([...GET_OPTIONS, 'ifVersion']);
const DELETE_OPTIONS: ReadonlySet<string> = new Set([...UPDATE_OPTIONS, 'allVersions']);
const EXPIRE_OPTIONS: ReadonlySet<string> = new Set<keyof ExpireOptions>(['dryRun', 'signal']);
const RANGE: ReadonlySet<string> = new Set<keyof ByteRange>(['start', 'end']);

/** `store.artifacts`, and `tx.artifacts` over a transaction's staging. */
export class ArtifactManagementService implements Artifacts {
  readonly #writer: RunWriter;
  readonly #blobs: Blobs;
  readonly #catalog: ArtifactCatalog;

  constructor(writer: RunWriter, blobs: Blobs, catalog: ArtifactCatalog) {
    this.#writer = writer;
    this.#blobs = blobs;
    this.#catalog = catalog;
  }

  async put(
    runId: string,
    artifact: NewArtifact & { readonly body: ArtifactBody },
  ): Promise<Artifact> {
    checkNewArtifact(artifact);
    // Refused before the bytes are streamed, not after.
    this.#writer.refuseUnwritable();
    await this.#writer.read(runId, (state) => requireRun(state, runId));
    for (const parent of artifact.parents ?? []) await this.#requireParent(parent);
    const { body, ...input } = artifact;
    const taken = typeof body === 'string' ? 'text/plain' : 'application/octet-stream';
    // W6: the bytes are durable before the commit that names them.
    const blob = { ...(await this.#blobs.put(body)), taken };
    return this.#writer.write(
      runId,
      (state, context) => decidePutArtifact(state, runId, input, blob, context),
      (state) => toArtifact(runId, requireArtifact(state, runId, { name: artifact.name })),
    );
  }

  async get(runId: string, name: string, which?: WhichVersion): Promise<Artifact> {
    return toArtifact(runId, await this.#find(runId, refOf(name, which, GET_OPTIONS)));
  }

  async *open(
    runId: string,
    name: string,
    options?: OpenArtifactOptions,
  ): AsyncGenerator<Uint8Array> {
    const ref = refOf(name, options, OPEN_OPTIONS);
    const range = options?.range;
    if (range !== undefined) checkRange(range);
    const artifact = await this.#find(runId, ref);
    yield* this.#blobs.open(artifact, range && rangeWithin(range, artifact.size));
  }

  async update(
    runId: string,
    name: string,
    patch: ArtifactPatch,
    options?: WhichVersion & WriteOptions,
  ): Promise<Artifact> {
    const ref = refOf(name, options, UPDATE_OPTIONS);
    let version = 0;
    return this.#writer.write(
      runId,
      (state, context) => {
        ({ version } = requireArtifact(state, runId, ref));
        return decideUpdateArtifact(
          state,
          runId,
          { name, version },
          patch,
          guardOf(options),
          context,
        );
      },
      (state) => toArtifact(runId, requireArtifact(state, runId, { name, version })),
    );
  }

  async delete(runId: string, name: string, options: DeleteArtifactOptions = {}): Promise<void> {
    const ref = refOf(name, options, DELETE_OPTIONS);
    const { allVersions = false } = options;
    await this.#writer.write(
      runId,
      (state, context) =>
        decideDeleteArtifact(state, runId, ref, allVersions, guardOf(options), context),
      () => undefined,
    );
  }

  query(filter: ArtifactFilter = {}): Listing<Artifact> {
    return new PagedListing(filter, async (asked) => {
      const after = fromListCursor('artifacts of all runs', asked.cursor);
      const { found, next } = await this.#catalog.query(asked, after);
      const items = found.map(({ runId, row }) => toArtifact(runId, row));
      return {
        items,
        next: next === undefined ? null : toListCursor('artifacts of all runs', next),
      };
    });
  }

  async expire(options: ExpireOptions = {}): Promise<readonly ArtifactVersion[]> {
    const { dryRun = false, signal } = checkObject(options, 'options', EXPIRE_OPTIONS);
    if (!dryRun) this.#writer.refuseUnwritable();
    const expired: ArtifactVersion[] = [];
    for await (const page of this.#catalog.expired()) {
      const free = page.filter(({ row }) => row.hold === null);
      for (const runId of new Set(free.map((one) => one.runId))) {
        refuseAborted(signal, 'expire');
        const wanted = free.filter((one) => one.runId === runId).map(({ row }) => row);
        const gone = dryRun ? wanted : await this.#expireIn(runId);
        expired.push(...gone.map(({ name, version }) => ({ runId, name, version })));
      }
    }
    return expired;
  }

  /** All of the run, whatever of it was found: what else has expired is not found again. */
  async #expireIn(runId: string): Promise<readonly ArtifactRow[]> {
    let gone: readonly ArtifactRow[] = [];
    return this.#writer.write(
      runId,
      (state, context) => {
        gone = [...state.liveArtifacts()].filter((row) => isExpired(row, context.at));
        return decideExpireArtifacts(state, runId, context);
      },
      () => gone,
    );
  }

  async lineage(runId: string, name: string, options: LineageOptions = {}): Promise<Lineage> {
    const root = await this.#find(runId, refOf(name, options, LINEAGE_OPTIONS));
    return lineageOf(toArtifact(runId, root), options, {
      find: (version) => this.#findDeleted(version),
      children: async (version) => {
        const children = await this.#catalog.children(version);
        return children.map(({ runId: id, row }) => toArtifact(id, row));
      },
    });
  }

  async #findDeleted({ runId, name, version }: ArtifactVersion): Promise<Artifact | undefined> {
    const row = await this.#writer.read(runId, (state) => state.artifact(name, version));
    return row && toArtifact(runId, row);
  }

  list(runId: string, options: ArtifactListOptions = {}): Listing<Artifact> {
    return new PagedListing(options, (asked) =>
      this.#writer.read(runId, (state) => page(state, runId, asked)),
    );
  }

  #find(runId: string, ref: VersionRef): Promise<ArtifactRow> {
    return this.#writer.read(runId, (state) => requireArtifact(state, runId, ref));
  }

  /** What is made from others comes after them: so no version can be among its own ancestors. */
  async #requireParent({ runId, name, version }: ArtifactVersion): Promise<void> {
    await this.#find(runId, { name, version });
  }
}

function refOf(
  name: string,
  options: WhichVersion | undefined,
  allowed: ReadonlySet<string>,
): VersionRef {
  const { version, alias } = checkObject(options, 'options', allowed);
  return { name, version, alias };
}

function guardOf(options: WriteOptions | undefined): WriteOptions | undefined {
  return options && { ifVersion: options.ifVersion };
}

function checkRange(range: NonNullable<OpenArtifactOptions['range']>): void {
  const { start, end } = checkObject(range, 'options.range', RANGE);
  const max = Number.MAX_SAFE_INTEGER;
  if (start !== undefined) checkInteger(start, 'options.range.start', 0, max);
  if (end !== undefined) checkInteger(end, 'options.range.end', start ?? 0, max);
}

/** What there is of it. */
function rangeWithin(
  { start = 0, end = Infinity }: NonNullable<OpenArtifactOptions['range']>,
  size: number,
): ByteRange {
  return { start: Math.min(start, size), end: Math.min(end, size) };
}

function page(state: RunState, runId: string, options: ArtifactListOptions): Page<Artifact> {
  checkObject(options, 'options', LIST_OPTIONS);
  requireRun(state, runId);
  const limit = checkLimit(options.limit);
  const after = fromListCursor('artifacts', options.cursor) ?? '';
  const isWanted = ({ deletedAt }: ArtifactRow) => options.deleted === true || deletedAt === null;
  const rows = [...state.artifacts.values()]
    .map((versions) => versions.filter(isWanted))
    .flatMap((versions) => (options.allVersions === true ? versions : versions.slice(-1)))
    .map((row) => ({ row, place: placeOf(row) }))
    .filter(({ place }) => place > after)
    .toSorted((a, b) => (a.place < b.place ? -1 : 1));
  const items = rows.slice(0, limit);
  const next = rows.length > limit ? toListCursor('artifacts', items.at(-1)?.place ?? '') : null;
  return { items: items.map(({ row }) => toArtifact(runId, row)), next };
}

/** By name, then version: a cursor stays good whatever is put meanwhile. */
function placeOf({ name, version }: ArtifactRow): string {
  return `${name}\u0000${String(version).padStart(16, '0')}`;
}
