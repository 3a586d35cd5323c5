// A process of its own for tests: `node fileOperationChild.ts <verb> <folder> [number]`.
import { join } from 'node:path';
import { systemClock } from '../../src/lib/ports/clock.ts';
import { FileOperationService } from '../../src/lib/store/FileSystemStore/FileOperationService.ts';
import { acquireStoreLock } from '../../src/lib/store/FileSystemStore/lock.ts';

const [verb, folder = '', number = '0'] = process.argv.slice(2);
const files = new FileOperationService();

/** Adds 1 to a number in a file, again and again, each time under its lock. */
async function increment(): Promise<void> {
  const path = join(folder, 'counter');
  for (let n = 0; n < Number(number); n++) {
    await files.withLock(path, async () => {
      const count = Number(Buffer.from(await files.read(path)).toString());
      await files.writeAtomic(path, String(count + 1));
    });
  }
}

/** Owns the store until it is killed. */
async function hold(): Promise<void> {
  const lock = await acquireStoreLock({
    folder,
    files,
    clock: systemClock,
    waitMs: Number(number),
  });
  console.log('held');
  setInterval(() => lock.isHeld(), 2 ** 30);
}

/** Writes a long stream and reads it back, watching its own memory. */
async function stream(): Promise<void> {
  const path = join(folder, 'long');
  const before = process.memoryUsage.rss();
  let rss = before;
  const look = () => void (rss = Math.max(rss, process.memoryUsage.rss()));
  async function* source() {
    // The source's own garbage is not what is measured.
    const chunk = Buffer.alloc(1024 * 1024);
    for (let n = 0; n < Number(number); n++) yield chunk.fill(n);
  }
  const { size, digest } = await files.writeStream(path, source(), { onProgress: look });
  for await (const chunk of files.readStream(path)) if (chunk.length > 0) look();
  const same = (await files.checksum(path)) === digest;
  look();
  console.log(JSON.stringify({ size, same, rssGrowth: rss - before }));
}

const verbs: Readonly<Record<string, () => Promise<void>>> = { increment, hold, stream };
await verbs[verb ?? '']?.();
