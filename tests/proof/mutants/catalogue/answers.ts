import { edit, type Mutant } from '../mutant.ts';

const REPETITIONS = 'the same key from several callers at once';

/** What callers are told, and when. */
export const ANSWERS: readonly Mutant[] = [
  {
    name: 'acknowledges a commit before it is written',
    rule: 'W1',
    breaks: ['every acknowledged commit is there'],
    edits: [
      edit(
        'committer.ts',
        'const durability = new Promise<void>((resolve, reject) => {',
        'const durability = new Promise<void>((resolve, reject) => {\n      resolve();',
      ),
    ],
    hunt: { workloads: [REPETITIONS] },
  },
  {
    name: 'answers a repeated call before the first one is durable',
    rule: 'W10',
    breaks: ['every acknowledged commit is there'],
    edits: [
      edit(
        'committer.ts',
        'changes.length === 0 ? live.settled() : this.enqueue([live], changes)',
        'changes.length === 0 ? undefined : this.enqueue([live], changes)',
      ),
    ],
    hunt: { workloads: [REPETITIONS] },
  },
  {
    name: 'lets a read see what is queued',
    rule: 'W10',
    breaks: ['what was read is there'],
    edits: [edit('committer.ts', 'return answer(live.durable);', 'return answer(live.decided);')],
    hunt: { workloads: ['concurrent callers over several runs'] },
  },
  {
    name: 'writes a transaction as one frame a run',
    rule: 'W2',
    breaks: ['no commit is partly there'],
    edits: [
      edit(
        'transaction.ts',
        'changes.length > 0 ? committer.enqueue(touched, changes) : undefined;',
        `Promise.all(touched.map((live) =>
    committer.enqueue([live], changes.filter(({ runId }) => runId === live.id))));`,
      ),
    ],
    hunt: { workloads: ['transactions over two runs'] },
  },
];
