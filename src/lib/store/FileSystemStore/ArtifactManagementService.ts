import { checkNewArtifact, decidePutArtifact, requireArtifact } from '../../model/artifact.ts';
import { checkGiven, checkObject } from '../../model/check.ts';
import type { NewArtifact } from '../../model/commands.ts';
import { requireRun } from '../../model/decision.ts';
import type { Artifact, ArtifactRow } from '../../model/entities.ts';
import { toArtifact } from '../../model/represent.ts';
import type { RunState } from '../../model/runState.ts';
import type {
  ArtifactBody,
  ArtifactRef,
  Artifacts,
  Listing,
  Page,
  PageOptions,
} from '../contract.ts';
import type { Blobs } from '../commands/blobs.ts';
import { checkLimit, fromListCursor, PagedListing, toListCursor } from '../commands/listing.ts';
import type { RunWriter } from '../commands/writer.ts';

interface ListOptions extends PageOptions {
  readonly allVersions?: boolean | undefined;
}

const LIST_OPTIONS: ReadonlySet<string> = new Set<keyof ListOptions>([
  'limit',
  'cursor',
  'allVersions',
]);
const REF: ReadonlySet<string> = new Set<keyof ArtifactRef>(['name', 'version']);

/** `store.artifacts`, and `tx.artifacts` over a transaction's staging. */
export class ArtifactManagementService implements Artifacts {
  readonly #writer: RunWriter;
  readonly #blobs: Blobs;

  constructor(writer: RunWriter, blobs: Blobs) {
    this.#writer = writer;
    this.#blobs = blobs;
  }

  async put(
    runId: string,
    artifact: NewArtifact & { readonly body: ArtifactBody },
  ): Promise<Artifact> {
    checkNewArtifact(artifact);
    // Refused before the bytes are streamed, not after.
    this.#writer.refuseUnwritable();
    await this.#writer.read(runId, (state) => requireRun(state, runId));
    const { body, mediaType = typeof body === 'string' ? 'text/plain' : undefined } = artifact;
    // W6: the bytes are durable before the commit that names them.
    const blob = await this.#blobs.put(body);
    return this.#writer.write(
      runId,
      (state, context) =>
        decidePutArtifact(state, runId, { ...artifact, mediaType }, blob, context),
      (state) => toArtifact(runId, requireArtifact(state, runId, artifact.name, undefined)),
    );
  }

  async get(runId: string, ref: string | ArtifactRef): Promise<Artifact> {
    return toArtifact(runId, await this.#find(runId, ref));
  }

  async *open(runId: string, ref: string | ArtifactRef): AsyncGenerator<Uint8Array> {
    yield* this.#blobs.open(await this.#find(runId, ref));
  }

  list(runId: string, options: ListOptions = {}): Listing<Artifact> {
    return new PagedListing(options, (asked) =>
      this.#writer.read(runId, (state) => page(state, runId, asked)),
    );
  }

  #find(runId: string, ref: string | ArtifactRef): Promise<ArtifactRow> {
    const { name, version } =
      typeof ref === 'string' ? { name: ref, version: undefined } : checkRef(ref);
    return this.#writer.read(runId, (state) => requireArtifact(state, runId, name, version));
  }
}

function checkRef(ref: ArtifactRef): ArtifactRef {
  checkGiven(ref, 'artifact', REF);
  return ref;
}

function page(state: RunState, runId: string, options: ListOptions): Page<Artifact> {
  checkObject(options, 'options', LIST_OPTIONS);
  requireRun(state, runId);
  const limit = checkLimit(options.limit);
  const after = fromListCursor('artifacts', options.cursor) ?? '';
  const rows = [...state.artifacts.entries()]
    .flatMap(([, versions]) => (options.allVersions === true ? versions : versions.slice(-1)))
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
