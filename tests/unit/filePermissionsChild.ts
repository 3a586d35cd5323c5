// A process without the rights of root: `node filePermissionsChild.ts <user, or nothing>`. Each line
// of its input is an order and a folder; it answers with a line of JSON.
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isStoreError } from '../../src/lib/errors.ts';
import { FileOperationService } from '../../src/lib/store/FileSystemStore/FileOperationService.ts';
import { systemCode } from '../../src/lib/store/FileSystemStore/storageError.ts';

const user = process.argv[2] ?? '';
let folder = '';
if (user !== '') {
  process.setgroups?.([]);
  process.setgid?.(Number(user));
  process.setuid?.(Number(user));
}

const files = new FileOperationService();
const at = (name: string): string => join(folder, name);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Tells the one who gives the orders that the work is half done, and goes on when told to. */
async function pause(): Promise<void> {
  console.log(JSON.stringify('halfway'));
  await lines.next();
}

async function* halfway() {
  yield Buffer.from('first half, ');
  await pause();
  yield Buffer.from('second half');
}

const ORDERS: Readonly<Record<string, () => Promise<unknown>>> = {
  stream: () => files.writeStream(at('a'), halfway()),
  both: () => files.checksums.writeStream(at('a'), halfway()),
  compress: () => files.compression.write(at('a'), halfway(), { format: 'gzip' }),
  part: () => files.parts.append(at('a'), 'more'),
  atomic: () => files.writeAtomic(at('a'), 'new'),
  several: () => files.writeAtomicAll(['a', 'b'].map((name) => ({ path: at(name), data: 'new' }))),
  append: () => files.append(at('a'), 'more'),
  read: async () => Buffer.from(await files.read(at('a'))).toString(),
  temporaries: () => files.removeTemporaries(folder),
  checkFile: () => check('a'),
  checkFolder: () => check('.'),
  set: () => files.permissions.set(at('a'), 0o644),
  // The file is not to be read by anybody, its owner included, and yet changes by its owner's wish.
  reopen: () => files.permissions.with(at('a'), 0o600, () => files.append(at('a'), 'more')),
  reopenAndFail: () =>
    files.permissions.with(at('a'), 0o600, () => Promise.reject(new Error('mine'))),
};

async function check(name: string): Promise<unknown> {
  const path = at(name);
  const { permissions } = files;
  const [read, write] = [{ read: true }, { write: true }];
  return {
    read: await permissions.check(path, read),
    write: await permissions.check(path, write),
    both: await permissions.check(path, { ...read, ...write }),
  };
}

function failure(error: unknown): object {
  if (!isStoreError(error)) return { error: String(error) };
  return { code: error.code, cause: systemCode(error.cause) };
}

for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
  const [order = '', place = ''] = line.value.split(' ');
  folder = place;
  const done = await ORDERS[order]?.().catch(failure);
  console.log(JSON.stringify(done ?? 'done'));
}
