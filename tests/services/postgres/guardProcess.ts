// Started by guard.ts with the folder of a server as its argument. Reads the server's process id,
// one a line, 0 when it has ended, until its input ends: then the server and its folder go.
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { endServer, readPostmaster, removeMemory } from './postmaster.ts';

const TRIES_MAX = 50;

const [folder = ''] = process.argv.slice(2);
let text = '';
process.stdin.setEncoding('utf8');
for await (const part of process.stdin) text += String(part);

const told = text.split('\n').slice(0, -1).at(-1);
const left = await readPostmaster(folder);
// Whoever started it may have been killed before it could tell: then the server's own file does.
const pid = told === undefined ? left?.pid : Number(told);
if (pid !== undefined && pid !== 0) await endServer(pid);
const killed = await readPostmaster(folder);
if (killed !== undefined) await removeMemory(killed);
await removeFolder();

/** A copy, or `initdb`, that outlives its parent makes files while they are removed. */
async function removeFolder(): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await rm(folder, { recursive: true, force: true });
    } catch (error) {
      if (tries >= TRIES_MAX) throw error;
      await delay(100);
    }
  }
}
