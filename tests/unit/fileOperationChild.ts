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

/** Adds to a file again and again, each time under its lock, and to nothing but what it has read. */
async function appendParts(): Promise<void> {
  const path = join(folder, 'log');
  for (let n = 0; n < Number(number); n++) {
    await files.withLock(path, async () => {
      const ifMatch = await files.checksum(path);
      await files.parts.append(path, 'x', { ifMatch });
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

/** Every way in which bytes pass, with so many MiB of them, watching its own memory. */
async function large(): Promise<void> {
  const at = (name: string) => join(folder, name);
  const MiB = 1024 * 1024;
  const bytesMax = Number(number) * MiB;
  const chunk = Buffer.alloc(MiB);
  async function* source() {
    for (let n = 0; n < Number(number); n++) yield chunk.fill(n);
  }
  const growth: Record<string, number> = {};
  const watch = async <T>(name: string, work: (look: () => void) => Promise<T>): Promise<T> => {
    const before = process.memoryUsage.rss();
    const look = () => {
      growth[name] = Math.max(growth[name] ?? 0, process.memoryUsage.rss() - before);
    };
    const result = await work(look);
    look();
    return result;
  };
  const written = await watch('write', (onProgress) =>
    files.checksums.writeStream(at('plain'), source(), { onProgress }),
  );
  const packed = await watch('compress', (onProgress) =>
    files.compression.compressFile(at('plain'), at('packed'), { onProgress }),
  );
  const restored = await watch('decompress', (onProgress) =>
    files.compression.decompressFile(at('packed'), at('plain'), { onProgress, bytesMax }),
  );
  const part = await watch('part', (onProgress) =>
    files.parts.write(at('plain'), bytesMax / 2, 'x', { ifMatch: restored.digest, onProgress }),
  );
  const { status } = await watch('verify', () => files.checksums.verify(at('plain')));
  const sizes = [written.size, packed.plainSize, restored.size, part.size];
  const isSame = written.digest === restored.digest;
  console.log(JSON.stringify({ sizes, isSame, status, growth }));
}

/** Writes under a lock of which it does not let go, until it is killed. */
async function writeAndHang(): Promise<void> {
  await files.withLock(join(folder, 'a'), async () => {
    const staged = await files.createStaged(join(folder, 'a'));
    await staged.write('half of the new bytes');
    console.log('held');
    await new Promise((resolve) => setInterval(resolve, 2 ** 30));
  });
}

const verbs: Readonly<Record<string, () => Promise<void>>> = {
  increment,
  appendParts,
  hold,
  stream,
  large,
  writeAndHang,
};
await verbs[verb ?? '']?.();
