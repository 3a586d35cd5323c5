import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Contender } from '../harness/measure.ts';
import { payload } from '../harness/payload.ts';

function line(n: number): Buffer {
  const text = JSON.stringify({
    runId: 'run',
    seq: n,
    type: 'http.response',
    at: new Date(),
    payload: payload(n),
  });
  return Buffer.from(`${text.slice(0, -1)},"crc":"${crc32(text).toString(16)}"}\n`);
}

/** One growing file: append, then `fdatasync`. */
export async function appendAndSync(folder: string): Promise<Contender> {
  const handle = await open(join(folder, 'append.ndjson'), 'a');
  return {
    name: 'append + fdatasync',
    async write(n) {
      await handle.write(line(n));
      await handle.datasync();
    },
    close: () => handle.close(),
  };
}

const AHEAD_BYTES = 16 * 1024 * 1024;

/** A file allocated ahead and written in place: one system call a write, no change of its size. */
export async function preallocatedDsync(folder: string): Promise<Contender> {
  const path = join(folder, 'ahead.ndjson');
  const ahead = await open(path, 'wx');
  await ahead.write(Buffer.alloc(AHEAD_BYTES, '\n'));
  await ahead.sync();
  await ahead.close();
  const handle = await open(path, constants.O_RDWR | (constants.O_DSYNC ?? 0));
  let position = 0;
  return {
    name: 'one write on O_DSYNC, allocated ahead',
    async write(n) {
      const bytes = line(n);
      if (position + bytes.length > AHEAD_BYTES) position = 0;
      const at = position;
      position += bytes.length;
      await handle.write(bytes, 0, bytes.length, at);
    },
    close: () => handle.close(),
  };
}
