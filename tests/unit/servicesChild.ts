// Started by services.test.ts: asks for servers as a Jest worker does, prints what it got as JSON,
// and ends when its input does; by then nothing but the servers could keep it alive.
import { sharedPostgres, startPostgres } from '../services/postgres.ts';

const urls = [];
for (const kind of process.argv.slice(2)) {
  const server = await (kind === 'shared' ? sharedPostgres() : startPostgres());
  urls.push(server.url);
}
process.stdout.write(`${JSON.stringify(urls)}\n`);
for await (const part of process.stdin) void part;
