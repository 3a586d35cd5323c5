import { edit, type Mutant, without } from '../mutant.ts';

/** What is made of a call of the disk that fails. */
export const FAILURES: readonly Mutant[] = [
  {
    name: 'takes a short write to its journal for a whole one',
    rule: 'W3',
    breaks: ['the store opens', 'every acknowledged commit is there'],
    edits: [
      edit(
        'journal/segmentFile.ts',
        'if (bytesWritten === bytes.length) return;',
        'if (bytesWritten >= 0) return;',
      ),
    ],
    hunt: { workloads: ['a journal whose write fails, and the store that is opened after it'] },
  },
  {
    name: 'gives a file its name without a look at its length',
    rule: 'W5',
    breaks: ['the store opens', 'run files and index equal the log'],
    edits: [
      edit(
        'FileOperationService/disk.ts',
        'if (bytesWritten === data.length) return;',
        'if (bytesWritten >= 0) return;',
      ),
      edit('FileOperationService/stagedFile.ts', 'if (size !== this.#bytes) {', 'if (false) {'),
    ],
    hunt: { workloads: ['a run file whose write fails'] },
  },
  {
    name: 'asks for another sync after a failed write, and believes it',
    rule: 'W3',
    breaks: ['the store opens', 'every acknowledged commit is there'],
    edits: [
      edit(
        'journal/segmentFile.ts',
        'await writeWhole(this.#handle, bytes, at);',
        'await writeWhole(this.#handle, bytes, at).catch(() => this.#handle.datasync());',
      ),
    ],
    hunt: { workloads: ['a journal whose write fails, and the store that is opened after it'] },
  },
  {
    name: 'tries the failed sync of its journal’s folder again, and believes it',
    rule: 'W3',
    breaks: ['the store opens', 'every acknowledged commit is there'],
    edits: [
      edit(
        'FileOperationService/folderSyncs.ts',
        'await handle.sync();',
        `await handle.sync().catch((error) => {
          if (!path.endsWith('/journal')) throw error;
          return handle.sync();
        });`,
      ),
    ],
    hunt: { workloads: ['a sync that fails and marks the pages clean'], rounds: 48, share: 0.25 },
  },
  {
    name: 'goes on with what is queued after a failed write',
    rule: 'W3',
    breaks: ['positions and sequence numbers are dense', 'every acknowledged commit is there'],
    edits: [
      edit('journal.ts', 'this.#poison ??= new StoreError(', 'new StoreError('),
      without('journal.ts', '    this.#failAll(this.#takeQueue(), this.#poison);'),
    ],
    hunt: { workloads: ['a journal whose write fails, and the store that is opened after it'] },
  },
  {
    name: 'keeps in memory what it has refused',
    rule: 'W3',
    breaks: ['positions and sequence numbers are dense', 'every acknowledged commit is there'],
    edits: [
      edit(
        'liveRun.ts',
        '    this.pending--;\n    this.head++;\n    this.decided = this.durable;',
        '    this.head++;',
      ),
    ],
    hunt: { workloads: ['a disk that is full for a while'], rounds: 12 },
  },
];
