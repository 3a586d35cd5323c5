import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { isStoreError, StoreError } from '../errors.ts';
import type { JsonObject } from '../model/payload.ts';
import type { Store } from '../store/contract.ts';
import { canonicalJson, deepFreeze } from './canonical.ts';
import { type Catalog, requireVersion } from './catalog.ts';
import type { DefinitionContent } from './definition.ts';
import { REGISTRY_LIMITS } from './limits.ts';
import { runIdOf } from './names.ts';

export const CONTENT_TYPE = 'application/vnd.holdfast.definition+json';

const FORMAT = 1;
/** Contents that were read lately. Bytes as they are kept. */
const CACHE_BYTES_MAX = 16 * 1024 * 1024;

export interface EncodedContent {
  readonly body: Uint8Array;
  readonly checksum: string;
}

/** The bytes of a version, and the checksum by which it is known. */
export function encodeContent(content: DefinitionContent): EncodedContent {
  // Written anew, member by member: a type does not keep others out.
  const { name, version, kind, manifest, input, output } = content;
  const whole = { format: FORMAT, name, version, kind, manifest, input, output };
  const body = Buffer.from(canonicalJson(whole as unknown as JsonObject));
  if (body.length > REGISTRY_LIMITS.definitionBytesMax) {
    const message = `${name}@${version} has ${body.length} bytes with its schemas`;
    throw new StoreError(
      'LIMIT_EXCEEDED',
      `${message}; a definition holds ${REGISTRY_LIMITS.definitionBytesMax} at most`,
      { id: name },
    );
  }
  return { body, checksum: checksumOf(body) };
}

function checksumOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Reads contents. Each is compared with its checksum, and never changes afterwards. */
export class Contents {
  readonly #store: Store;
  readonly #cache = new LRUCache<string, DefinitionContent>({ maxSize: CACHE_BYTES_MAX });

  constructor(store: Store) {
    this.#store = store;
  }

  async read(catalog: Catalog, version: string): Promise<DefinitionContent> {
    const { checksum, artifact } = requireVersion(catalog, version);
    const known = this.#cache.get(checksum);
    if (known !== undefined) return known;
    const bytes = await this.#bytesOf(catalog.name, version, artifact);
    if (checksumOf(bytes) !== checksum)
      throw corrupt(catalog, version, 'do not match its checksum');
    const { format, ...content } = JSON.parse(bytes.toString()) as DefinitionContent & {
      readonly format: number;
    };
    if (format !== FORMAT) {
      const message = `${catalog.name}@${version} has format ${format}, and ${FORMAT} is known`;
      throw new StoreError('UNSUPPORTED_FORMAT', message, { id: catalog.name });
    }
    // The checksum alone does not say of what: a catalog may have been written by another hand.
    if (content.name !== catalog.name || content.version !== version) {
      throw corrupt(catalog, version, `are those of ${content.name}@${content.version}`);
    }
    this.#cache.set(checksum, deepFreeze(content), { size: Math.max(1, bytes.length) });
    return content;
  }

  async #bytesOf(name: string, version: string, artifact: number): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    try {
      const stream = this.#store.artifacts.open(runIdOf(name), version, { version: artifact });
      for await (const chunk of stream) chunks.push(chunk);
    } catch (error) {
      // It is in the catalog, so it was there.
      if (!isStoreError(error, 'NOT_FOUND')) throw error;
      const message = `the bytes of ${name}@${version} are not there any more`;
      throw new StoreError('DATA_CORRUPT', message, { id: name, cause: error });
    }
    return Buffer.concat(chunks);
  }
}

function corrupt({ name }: Catalog, version: string, what: string): StoreError {
  return new StoreError('DATA_CORRUPT', `the bytes of ${name}@${version} ${what}`, { id: name });
}
