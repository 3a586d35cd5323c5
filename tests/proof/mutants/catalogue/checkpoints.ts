import { edit, type Mutant, without } from '../mutant.ts';

const REMOVALS = 'segments that are removed while callers write';
const PINS = 'a reader that holds on to the log';
const DELETIONS = 'deletions, and new runs of the same id';

/** What goes before what replaces it is safe. */
export const CHECKPOINTS: readonly Mutant[] = [
  {
    name: 'removes the parts of a run before the new one is durable',
    rule: 'W8',
    breaks: ['run files and index equal the log'],
    edits: [
      edit(
        'runFiles.ts',
        'const [kept, obsolete] = [parts.slice(0, from), parts.slice(from)];',
        `const [kept, obsolete] = [parts.slice(0, from), parts.slice(from)];
        await this.removeParts(runId, obsolete);`,
      ),
    ],
    hunt: { workloads: ['run files that are written, merged and read again'] },
  },
  {
    name: 'removes a segment that holds commits of no run file',
    rule: 'W7',
    breaks: ['every acknowledged commit is there', 'run files and index equal the log'],
    edits: [edit('checkpointer.ts', 'Math.min(this.#firstUnfiled(), pins', 'Math.min(pins')],
    hunt: { workloads: ['concurrent callers over several runs'] },
  },
  {
    name: 'removes a segment before the names of its run files are durable',
    rule: 'W7',
    breaks: ['run files and index equal the log'],
    edits: [
      without(
        'checkpointer.ts',
        '      await runFiles.syncParts(saving.flatMap(({ written }) => written ?? []));',
      ),
    ],
    hunt: { workloads: [REMOVALS] },
  },
  {
    name: 'removes several segments and syncs their folder once',
    rule: 'W8',
    breaks: ['the store opens'],
    edits: [
      edit(
        'journal.ts',
        `        if (isGone) await this.#syncFolder();
      }`,
        `      }
      await this.#syncFolder();`,
      ),
    ],
    hunt: { workloads: [PINS] },
  },
  {
    name: 'removes a segment that a pin holds',
    rule: 'W7',
    breaks: ['a cursor gives every later change once'],
    edits: [
      edit('checkpointer.ts', 'pins.lowest + 1, journal.durable + 1)', 'journal.durable + 1)'),
    ],
    hunt: { workloads: [PINS] },
  },
  {
    name: 'removes the files of a run before its deletion is durable',
    rule: 'W8',
    breaks: ['run files and index equal the log'],
    edits: [
      edit(
        'rooms.ts',
        'new Committer({\n    journal,',
        'new Committer({\n    runFiles,\n    journal,',
      ),
      edit(
        'committer.ts',
        'await this.write(runId, decide, () => undefined);',
        `await this.#parts.runFiles.removeRun(runId);
      await this.write(runId, decide, () => undefined);`,
      ),
    ],
    hunt: { workloads: ['deletions of runs that the log does not hold any more'] },
  },
  {
    name: 'writes files of a new run before the removal of those of a deleted one is durable',
    rule: 'W8',
    breaks: ['run files and index equal the log'],
    edits: [
      edit(
        'runFiles.ts',
        'await this.#files.removeAll(files);',
        'for (const file of files) await this.#files.remove(file);',
      ),
    ],
    hunt: { workloads: [DELETIONS] },
  },
];
