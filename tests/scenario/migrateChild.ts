// A process that migrates: says `ready`, waits for a line, migrates, and says what came of it.
import { once } from 'node:events';
import { connectDatabase, isStoreError, Migrator } from '../../src/index.ts';

const [url = '', directory = ''] = process.argv.slice(2);

// The wait of a migrator is no reason for a process to stay; this is.
const awake = setInterval(() => undefined, 2 ** 30);
const db = await connectDatabase(url, { onWarning: () => undefined });
console.log('ready');
await once(process.stdin, 'data');
try {
  const { migrations, current } = await new Migrator(db, { directory }).up();
  console.log(JSON.stringify({ applied: migrations.map(({ name }) => name), current }));
} catch (error) {
  console.log(JSON.stringify({ refused: isStoreError(error) ? error.code : String(error) }));
}
await db.close();
clearInterval(awake);
process.stdin.destroy();
