// Opens the store in the folder of the first argument, and says how long it took and what it holds.
import { openAt } from '../contenders/holdfast.ts';

export interface Opening {
  readonly ms: number;
  readonly rssBytes: number;
  readonly clean: boolean;
  readonly runs: number;
}

const [folder = ''] = process.argv.slice(2);
const started = performance.now();
const store = await openAt(folder);
const ms = performance.now() - started;
const { rss } = process.memoryUsage();
const stats = await store.stats();
await store.close();
const runs = Object.values(stats.runs).reduce((sum, count) => sum + count, 0);
const opening: Opening = { ms, rssBytes: rss, clean: stats.recovery.clean, runs };
console.log(JSON.stringify(opening));
