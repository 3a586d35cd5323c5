import { createHash } from 'node:crypto';
import type { Artifact, ArtifactRef, NewArtifact, Page, PageOptions } from '../../index.ts';
import { pageOf } from './pages.ts';
import type { KeptArtifact, Records, RunRecord } from './records.ts';
import { missing } from './refusals.ts';
import { isSame, keptObject } from './values.ts';

export class ReferenceArtifacts {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  /** The bytes at once: streams are the matter of the store. */
  put(runId: string, input: NewArtifact & { readonly body: Uint8Array | string }): Artifact {
    const record = this.#records.get(runId);
    const { name, body } = input;
    const bytes = new Uint8Array(Buffer.from(body));
    const content = {
      digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
      mediaType: input.mediaType ?? defaultType(body),
      stepId: input.stepId ?? null,
      metadata: keptObject(input.metadata),
    };
    const newest = versionsOf(record, name).at(-1)?.artifact;
    if (newest !== undefined && isSameContent(newest, content)) return newest;
    const at = this.#records.world.at();
    const artifact: Artifact = {
      id: this.#records.world.freshId(),
      runId,
      name,
      version: (newest?.version ?? 0) + 1,
      revision: 1,
      size: bytes.length,
      ...content,
      createdAt: at,
      updatedAt: at,
    };
    const artifacts = [...record.artifacts, { artifact, bytes }];
    this.#records.put(runId, { ...record, artifacts });
    return artifact;
  }

  get(runId: string, ref: string | ArtifactRef): Artifact {
    return this.#find(runId, ref).artifact;
  }

  open(runId: string, ref: string | ArtifactRef): Uint8Array {
    return this.#find(runId, ref).bytes;
  }

  list(
    runId: string,
    { allVersions = false, ...page }: PageOptions & { readonly allVersions?: boolean } = {},
  ): Page<Artifact> {
    const record = this.#records.get(runId);
    const artifacts = record.artifacts
      .map(({ artifact }) => artifact)
      .filter(({ name, version }) => allVersions || version === versionsOf(record, name).length);
    return pageOf(artifacts, ({ name, version }) => [name, version], page);
  }

  #find(runId: string, ref: string | ArtifactRef): KeptArtifact {
    const { name, version } = typeof ref === 'string' ? { name: ref, version: undefined } : ref;
    const versions = versionsOf(this.#records.get(runId), name);
    const found = version === undefined ? versions.at(-1) : versions[version - 1];
    if (found === undefined) throw missing('artifact', name);
    return found;
  }
}

type Content = Pick<Artifact, 'digest' | 'mediaType' | 'stepId' | 'metadata'>;

function isSameContent(a: Content, b: Content): boolean {
  return (
    a.digest === b.digest &&
    a.mediaType === b.mediaType &&
    a.stepId === b.stepId &&
    isSame(a.metadata, b.metadata)
  );
}

function defaultType(body: Uint8Array | string): string {
  return typeof body === 'string' ? 'text/plain' : 'application/octet-stream';
}

function versionsOf({ artifacts }: RunRecord, name: string): readonly KeptArtifact[] {
  return artifacts.filter(({ artifact }) => artifact.name === name);
}
