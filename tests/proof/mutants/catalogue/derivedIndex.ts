import { edit, type Mutant, without } from '../mutant.ts';

const REMOVALS = 'segments that are removed while callers write';

/** What the index says of itself. */
export const INDEX: readonly Mutant[] = [
  {
    name: 'builds the index anew and does not stamp it',
    rule: 'index',
    breaks: ['the store opens'],
    edits: [without('openIndex.ts', '  index.stamp(oldest, oldest);')],
    hunt: { workloads: [REMOVALS] },
  },
  {
    name: 'stamps the index with commits of no run file',
    rule: 'index',
    breaks: ['run files and index equal the log'],
    edits: [
      edit(
        'checkpointer.ts',
        'index.stamp(journal.durable, Math.min(this.#firstUnfiled() - 1, journal.durable));',
        'index.stamp(journal.durable, journal.durable);',
      ),
    ],
    hunt: { workloads: [REMOVALS], realIndex: true, share: 0.1 },
  },
  {
    name: 'stamps the index with commits that it does not hold',
    rule: 'index',
    breaks: ['run files and index equal the log', 'the store opens'],
    edits: [
      edit(
        'indexFlusher.ts',
        'this.#index.stamp(this.#durable());',
        'this.#index.stamp(this.#durable() + 1);',
      ),
    ],
    hunt: { workloads: [REMOVALS], realIndex: true, share: 0.1 },
  },
  {
    name: 'takes an index that the log cannot bring up to date',
    rule: 'index',
    breaks: ['the store opens'],
    edits: [edit('openIndex.ts', 'if (index.checkpoint >= oldest) return index;', 'return index;')],
    hunt: { workloads: [REMOVALS], realIndex: true, share: 0.1 },
  },
  {
    name: 'does not look whether its index is torn',
    rule: 'index',
    breaks: ['the store accepts writes', 'run files and index equal the log'],
    edits: [edit('openIndex.ts', '{ check: !clean }', '{ check: false }')],
    hunt: { workloads: ['run files that are written, merged and read again'], realIndex: true },
  },
];
