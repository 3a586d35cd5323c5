import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type {
  Artifact,
  ArtifactListOptions,
  ArtifactPatch,
  DeleteArtifactOptions,
  NewArtifact,
  OpenArtifactOptions,
  Page,
  WhichVersion,
  WriteOptions,
} from '../../index.ts';
import { pageOf } from './pages.ts';
import type { KeptArtifact, Records, RunRecord } from './records.ts';
import { checkVersion, missing, refusal } from './refusals.ts';
import { given, keptObject } from './values.ts';

type Fields = Partial<Artifact>;

export class ReferenceArtifacts {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  /** The bytes at once: streams are the matter of the store. */
  put(runId: string, input: NewArtifact & { readonly body: Uint8Array | string }): Artifact {
    const record = this.#records.get(runId);
    const { name, body, aliases = [], parents } = input;
    for (const parent of parents ?? []) this.get(parent.runId, parent.name, parent);
    const bytes = new Uint8Array(Buffer.from(body));
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const newest = versionsOf(record, name).at(-1)?.artifact;
    if (newest?.digest === digest && newest.deletedAt === null) {
      if (parents !== undefined && !isDeepStrictEqual(parents, newest.parents)) {
        throw refusal('ALREADY_EXISTS', `${name} has other parents`, name);
      }
      const wanted = { ...input, aliases: [...newest.aliases, ...aliases] };
      return this.#change(runId, newest, wanted);
    }
    const at = this.#records.world.at();
    const artifact: Artifact = {
      id: this.#records.world.freshId(),
      runId,
      name,
      version: (newest?.version ?? 0) + 1,
      revision: 1,
      digest,
      size: bytes.length,
      mediaType: typeof body === 'string' ? 'text/plain' : 'application/octet-stream',
      stepId: input.stepId ?? null,
      tags: {},
      metadata: {},
      expiresAt: null,
      hold: null,
      ...fieldsOf(input, at),
      aliases: sorted(aliases),
      parents: [...(parents ?? [])],
      deletedAt: null,
      createdAt: at,
      updatedAt: at,
    };
    const others = withoutAliases(record.artifacts, artifact, at);
    this.#records.put(runId, { ...record, artifacts: [...others, { artifact, bytes }] });
    return artifact;
  }

  get(runId: string, name: string, which?: WhichVersion): Artifact {
    return this.#find(runId, name, which).artifact;
  }

  open(runId: string, name: string, options?: OpenArtifactOptions): Uint8Array {
    const { start, end } = options?.range ?? {};
    return this.#find(runId, name, options).bytes.slice(start, end);
  }

  update(
    runId: string,
    name: string,
    patch: ArtifactPatch,
    options?: WhichVersion & WriteOptions,
  ): Artifact {
    const artifact = this.get(runId, name, options);
    checkVersion({ id: name, version: artifact.revision }, options);
    return this.#change(runId, artifact, patch);
  }

  delete(runId: string, name: string, options: DeleteArtifactOptions = {}): void {
    const artifact = this.get(runId, name, options);
    checkVersion({ id: name, version: artifact.revision }, options);
    const record = this.#records.get(runId);
    const isDoomed = (it: Artifact) =>
      it.name === name &&
      it.deletedAt === null &&
      (options.allVersions === true || it.version === artifact.version);
    refuseHeld(record.artifacts.filter((kept) => isDoomed(kept.artifact)));
    const at = this.#records.world.at();
    const gone = { deletedAt: at, aliases: [] };
    const artifacts = record.artifacts.map((kept) =>
      isDoomed(kept.artifact) ? revised(kept, gone, at) : kept,
    );
    this.#records.put(runId, { ...record, artifacts });
  }

  list(
    runId: string,
    { allVersions = false, deleted = false, ...page }: ArtifactListOptions = {},
  ): Page<Artifact> {
    const all = this.#records
      .get(runId)
      .artifacts.map(({ artifact }) => artifact)
      .filter(({ deletedAt }) => deleted || deletedAt === null);
    const isNewest = ({ name, version }: Artifact) =>
      !all.some((other) => other.name === name && other.version > version);
    const wanted = allVersions ? all : all.filter(isNewest);
    return pageOf(wanted, ({ name, version }) => [name, version], page);
  }

  #change(runId: string, artifact: Artifact, patch: ArtifactPatch): Artifact {
    const { name, version } = artifact;
    // The time of a write is only known to the store, and asked for where there is one.
    const fields = (at: Date) => ({
      ...fieldsOf(patch, at),
      ...(patch.aliases !== undefined && { aliases: sorted(patch.aliases) }),
    });
    if (
      patch.ttl === undefined &&
      isDeepStrictEqual({ ...artifact, ...fields(new Date(0)) }, artifact)
    ) {
      return artifact;
    }
    const record = this.#records.get(runId);
    const at = this.#records.world.at();
    const wanted = fields(at);
    if (isDeepStrictEqual({ ...artifact, ...wanted }, artifact)) return artifact;
    const changed = { ...artifact, ...wanted };
    const artifacts = withoutAliases(record.artifacts, changed, at).map((kept) =>
      kept.artifact.name === name && kept.artifact.version === version
        ? revised(kept, wanted, at)
        : kept,
    );
    this.#records.put(runId, { ...record, artifacts });
    return this.get(runId, name, { version });
  }

  #find(runId: string, name: string, { version, alias }: WhichVersion = {}): KeptArtifact {
    const live = versionsOf(this.#records.get(runId), name).filter(
      ({ artifact }) => artifact.deletedAt === null,
    );
    const found =
      version !== undefined
        ? live.find(({ artifact }) => artifact.version === version)
        : alias === undefined || alias === 'latest'
          ? live.at(-1)
          : live.find(({ artifact }) => artifact.aliases.includes(alias));
    if (found === undefined) throw missing('artifact', name);
    return found;
  }
}

export function refuseHeld(artifacts: readonly KeptArtifact[]): void {
  const held = artifacts.find(({ artifact }) => artifact.hold !== null)?.artifact;
  if (held !== undefined)
    throw refusal('ARTIFACT_HELD', `${held.name} is held: ${held.hold}`, held.name);
}

function fieldsOf(patch: ArtifactPatch, at: Date): Fields {
  const { mediaType, tags, metadata, ttl, hold } = patch;
  return given({
    mediaType,
    tags: tags && given(tags),
    metadata: metadata && keptObject(metadata),
    expiresAt: ttl && new Date(at.getTime() + ttl),
    ...(ttl === null && { expiresAt: null }),
    hold,
  }) as Fields;
}

function sorted(aliases: readonly string[]): readonly string[] {
  return [...new Set(aliases)].toSorted();
}

function revised(kept: KeptArtifact, fields: Fields, at: Date): KeptArtifact {
  const { artifact } = kept;
  const revision = artifact.revision + 1;
  return { ...kept, artifact: { ...artifact, ...fields, revision, updatedAt: at } };
}

/** An alias points at one version of its name. */
function withoutAliases(
  artifacts: readonly KeptArtifact[],
  { name, version, aliases }: Artifact,
  at: Date,
): readonly KeptArtifact[] {
  return artifacts.map((kept) => {
    const other = kept.artifact;
    if (other.name !== name || other.version === version) return kept;
    const left = other.aliases.filter((alias) => !aliases.includes(alias));
    return left.length === other.aliases.length ? kept : revised(kept, { aliases: left }, at);
  });
}

function versionsOf({ artifacts }: RunRecord, name: string): readonly KeptArtifact[] {
  return artifacts.filter(({ artifact }) => artifact.name === name);
}
