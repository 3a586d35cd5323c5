import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Contender } from '../harness/measure.ts';

/**
 * The system calls of an atomic write, and nothing else: no random name, no checks beside the length,
 * no care for failures.
 */
export function rawFileWrite(folder: string, data: Uint8Array): Contender {
  return {
    name: 'its system calls alone',
    async write(n) {
      const temporary = join(folder, `${n}.tmp`);
      const file = await open(temporary, 'wx', 0o600);
      await file.write(data, 0, data.length, 0);
      await file.stat();
      await file.sync();
      await file.close();
      await rename(temporary, join(folder, `file-${n % 100}`));
      const parent = await open(folder, 'r');
      await parent.sync();
      await parent.close();
    },
    close: () => {},
  };
}

/** The same in one thread, which can do nothing else meanwhile. */
export function blockingFileWrite(folder: string, data: Uint8Array): Contender {
  return {
    name: 'the same calls, blocking',
    write(n) {
      const temporary = join(folder, `${n}.tmp`);
      const file = openSync(temporary, 'wx', 0o600);
      writeSync(file, data, 0, data.length, 0);
      fsyncSync(file);
      closeSync(file);
      renameSync(temporary, join(folder, `file-${n % 100}`));
      const parent = openSync(folder, 'r');
      fsyncSync(parent);
      closeSync(parent);
    },
    close: () => {},
  };
}
