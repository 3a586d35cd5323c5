import { randomBytes } from 'node:crypto';

/** Random numbers, as a store sees them; tests hand in a seeded source. */
export interface Random {
  bytes(count: number): Uint8Array;
}

const POOL_BYTES = 8192;
let pool = Buffer.alloc(0);
let used = 0;

/** Drawn in blocks: one call of the operating system serves some hundred ids. */
export const systemRandom: Random = {
  bytes(count) {
    if (count > POOL_BYTES) return randomBytes(count);
    if (used + count > pool.length) {
      pool = randomBytes(POOL_BYTES);
      used = 0;
    }
    const slice = pool.subarray(used, used + count);
    used += count;
    return slice;
  },
};
