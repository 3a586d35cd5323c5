import { createHash, randomUUID } from 'node:crypto';
import type { Queryable } from '../../db.ts';
import { isStoreError, StoreError } from '../../errors.ts';
import type { StoredBlob } from '../../model/artifact.ts';
import { type Blobs, type ByteRange, chunksOf } from '../commands/blobs.ts';
import type { ArtifactBody } from '../contract.ts';
import type { Calls } from './readLine.ts';

const PART_BYTES = 256 * 1024;
/** Whoever has not finished in so long a time was killed, and what it left is removed. Milliseconds. */
const UPLOAD_MS_MAX = 24 * 3_600_000;
const INSERT = 'INSERT INTO holdfast_blobs (digest, part, bytes) VALUES ($1, $2, $3)';
const FOUND = 'SELECT 1 AS found FROM holdfast_blobs WHERE digest = $1 LIMIT 1';
const DISCARD = 'DELETE FROM holdfast_blobs WHERE digest = $1';

/** Bytes by their SHA-256, in parts, stored once however many artifacts name them. */
export class BlobTable implements Blobs {
  readonly #db: Queryable;
  readonly #now: () => number;
  readonly #line: Calls;

  /**
   * `now`: milliseconds since 1970, and not before the last commit that was seen. `line`: where callers
   * wait their turn, if not in that of the pool; what is done for nobody does not.
   */
  constructor(db: Calls, now: () => number, line: Calls = db) {
    this.#db = db;
    this.#now = now;
    this.#line = line;
  }

  /**
   * Streams the bytes in the memory of one part. They lie under a name of their own until all are
   * there: no transaction is open while a caller's stream is waited for. Durable when it resolves.
   */
  async put(body: ArtifactBody): Promise<StoredBlob> {
    const upload = `${uploadsAt(this.#now())}:${randomUUID()}`;
    const hash = createHash('sha256');
    let [size, part] = [0, 0];
    try {
      for await (const bytes of partsOf(chunksOf(body))) {
        hash.update(bytes);
        size += bytes.length;
        await this.#line.query(INSERT, [upload, part++, bytes]);
      }
      const digest = `sha256:${hash.digest('hex')}`;
      await this.#name(upload, digest, part);
      return { digest, size };
    } catch (error) {
      await this.#discard(upload);
      throw error;
    }
  }

  async has(digest: string): Promise<boolean> {
    return (await this.#line.query(FOUND, [digest])).rowCount > 0;
  }

  async #name(upload: string, digest: string, parts: number): Promise<void> {
    try {
      await this.#rename(upload, digest, parts);
    } catch (error) {
      if (!isStoreError(error, 'CONSTRAINT_VIOLATED')) throw error;
      // Somebody else has stored the same bytes at the same moment: now they are found.
      await this.#rename(upload, digest, parts);
    }
  }

  #rename(upload: string, digest: string, parts: number): Promise<void> {
    return this.#line.transaction(async (tx) => {
      const isStored = (await tx.query(FOUND, [digest])).rowCount > 0;
      if (isStored) return void (await tx.query(DISCARD, [upload]));
      if (parts === 0) return void (await tx.query(INSERT, [digest, 0, new Uint8Array(0)]));
      const rename = 'UPDATE holdfast_blobs SET digest = $2 WHERE digest = $1';
      const { rowCount } = await tx.query(rename, [upload, digest]);
      if (rowCount !== parts) throw tookTooLong();
    });
  }

  /** Removes what killed processes have left: uploads that began too long ago to be still under way. */
  async collect(): Promise<void> {
    const range = "digest BETWEEN 'upload:' AND $1";
    const upTo = [uploadsAt(this.#now() - UPLOAD_MS_MAX)];
    // It is rarely there: to ask takes no lock.
    const some = `SELECT 1 AS found FROM holdfast_blobs WHERE ${range} LIMIT 1`;
    if ((await this.#db.query(some, upTo)).rowCount === 0) return;
    await this.#db.query(`DELETE FROM holdfast_blobs WHERE ${range}`, upTo);
  }

  /** What cannot be removed now names nothing. */
  async #discard(upload: string): Promise<void> {
    await this.#db.query(DISCARD, [upload]).catch(() => undefined);
  }

  /** The bytes, checked while they pass: `DATA_CORRUPT` at the end when they are not the digest's. */
  async *open(blob: StoredBlob, range?: ByteRange): AsyncGenerator<Uint8Array> {
    yield* range === undefined ? this.#whole(blob) : this.#part(blob, range);
  }

  async *#whole({ digest, size }: StoredBlob): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256');
    let bytes = 0;
    for (let part = 0; bytes < size; part++) {
      const found = await this.#read(digest, part);
      hash.update(found);
      bytes += found.length;
      yield found;
    }
    const actual = `sha256:${hash.digest('hex')}`;
    if (bytes !== size || actual !== digest) throw damaged(digest, `has the digest ${actual}`);
  }

  /** All parts but the last one are of one size. */
  async *#part({ digest }: StoredBlob, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end;) {
      const part = Math.floor(at / PART_BYTES);
      const found = await this.#read(digest, part);
      const piece = found.subarray(at - part * PART_BYTES, end - part * PART_BYTES);
      if (piece.length === 0) throw damaged(digest, `ends at byte ${at}, too early`);
      yield piece;
      at += piece.length;
    }
  }

  async #read(digest: string, part: number): Promise<Uint8Array> {
    const sql = 'SELECT bytes FROM holdfast_blobs WHERE digest = $1 AND part = $2';
    const { rows } = await this.#line.query<{ bytes: Uint8Array }>(sql, [digest, part]);
    if (rows[0] === undefined) throw damaged(digest, `has no part ${part}`);
    return rows[0].bytes;
  }
}

/** What names of uploads begin with that began then; of a fixed width, so that they sort by time. */
function uploadsAt(ms: number): string {
  return `upload:${String(Math.max(0, Math.trunc(ms))).padStart(16, '0')}`;
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

function tookTooLong(): StoreError {
  const hours = UPLOAD_MS_MAX / 3_600_000;
  const message = `the bytes took longer than ${hours} h, and were removed as left behind`;
  return new StoreError('STORAGE_FAILED', message);
}
