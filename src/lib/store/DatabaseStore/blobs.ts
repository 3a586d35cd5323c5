import { createHash, randomUUID } from 'node:crypto';
import type { Database } from '../../db.ts';
import { StoreError } from '../../errors.ts';
import type { StoredBlob } from '../../model/artifact.ts';
import { type Blobs, chunksOf } from '../commands/blobs.ts';
import type { ArtifactBody } from '../contract.ts';

const PART_BYTES = 256 * 1024;
const INSERT = 'INSERT INTO holdfast_blobs (digest, part, bytes) VALUES ($1, $2, $3)';

/** Bytes by their SHA-256, in parts, stored once however many artifacts name them. */
export class BlobTable implements Blobs {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Streams the bytes in the memory of one part. They lie under a name of their own until all are
   * there: no transaction is open while a caller's stream is waited for. Durable when it resolves.
   */
  async put(body: ArtifactBody): Promise<StoredBlob> {
    const upload = `upload:${randomUUID()}`;
    const hash = createHash('sha256');
    let [size, part] = [0, 0];
    try {
      for await (const bytes of partsOf(chunksOf(body))) {
        hash.update(bytes);
        size += bytes.length;
        await this.#db.query(INSERT, [upload, part++, bytes]);
      }
      const digest = `sha256:${hash.digest('hex')}`;
      await this.#name(upload, digest, part);
      return { digest, size };
    } catch (error) {
      await this.#discard(upload);
      throw error;
    }
  }

  #name(upload: string, digest: string, parts: number): Promise<void> {
    return this.#db.transaction(async (tx) => {
      const found = 'SELECT 1 AS found FROM holdfast_blobs WHERE digest = $1 LIMIT 1';
      const { rowCount } = await tx.query(found, [digest]);
      if (rowCount > 0) await tx.query('DELETE FROM holdfast_blobs WHERE digest = $1', [upload]);
      else if (parts === 0) await tx.query(INSERT, [digest, 0, new Uint8Array(0)]);
      else
        await tx.query('UPDATE holdfast_blobs SET digest = $2 WHERE digest = $1', [upload, digest]);
    });
  }

  /** What cannot be removed now names nothing. */
  async #discard(upload: string): Promise<void> {
    await this.#db
      .query('DELETE FROM holdfast_blobs WHERE digest = $1', [upload])
      .catch(() => undefined);
  }

  /** The bytes, checked while they pass: `DATA_CORRUPT` at the end when they are not the digest's. */
  async *open({ digest, size }: StoredBlob): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256');
    let bytes = 0;
    for (let part = 0; bytes < size; part++) {
      const sql = 'SELECT bytes FROM holdfast_blobs WHERE digest = $1 AND part = $2';
      const { rows } = await this.#db.query<{ bytes: Uint8Array }>(sql, [digest, part]);
      const [found] = rows;
      if (found === undefined) throw damaged(digest, `has no part ${part}`);
      hash.update(found.bytes);
      bytes += found.bytes.length;
      yield found.bytes;
    }
    const actual = `sha256:${hash.digest('hex')}`;
    if (bytes !== size || actual !== digest) throw damaged(digest, `has the digest ${actual}`);
  }
}

/** Chunks of any size as parts of one size. */
async function* partsOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const piece = chunk.subarray(at, at + PART_BYTES - length);
      pieces.push(piece);
      length += piece.length;
      at += piece.length;
      if (length < PART_BYTES) continue;
      yield Buffer.concat(pieces);
      [pieces, length] = [[], 0];
    }
  }
  if (length > 0) yield Buffer.concat(pieces);
}

function damaged(digest: string, what: string): StoreError {
  return new StoreError('DATA_CORRUPT', `blob ${digest} ${what}`, { id: digest });
}
