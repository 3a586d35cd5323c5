/**
 * Runs sequences of commands in a process of their own, and prints what came of them as JSON. By hand:
 * node tests/proof/commands/run.ts '{"where":"simulated","count":400,"seed":1}'
 */
import { named } from '../../fixtures/named.ts';
import { BROKEN_STORES } from './brokenStores.ts';
import { runSequences, type SequencesOptions } from './sequences.ts';

export interface Task extends Pick<SequencesOptions, 'where' | 'count' | 'seed' | 'path'> {
  /** Key of `BROKEN_STORES`. */
  readonly broken?: string;
  readonly timeMaxMs?: number;
}

const { broken, timeMaxMs = 2 ** 30, ...task } = JSON.parse(process.argv[2] ?? '') as Task;
const breaks = broken === undefined ? undefined : named(BROKEN_STORES, broken).breaks;
const report = await runSequences({ ...task, timeMaxMs, breaks });
process.stdout.write(`${JSON.stringify(report)}\n`);
