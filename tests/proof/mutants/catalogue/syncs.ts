import { edit, type Mutant, without } from '../mutant.ts';

/** What is not made durable, or not in time. */
export const SYNCS: readonly Mutant[] = [
  {
    name: 'does not sync the folder after it has given a segment its name',
    rule: 'W5',
    breaks: ['every acknowledged commit is there'],
    edits: [without('journal/segmentFile.ts', '    await this.#files.syncFolder(dirname(path));')],
    hunt: { workloads: ['the same key from several callers at once'] },
  },
  {
    name: 'does not sync the folder after it has given any other file its name',
    rule: 'W5',
    breaks: ['every named blob is whole'],
    edits: [without('FileOperationService/disk.ts', '    await syncs.sync([path]);')],
    hunt: { workloads: ['artifacts'] },
  },
  {
    name: 'does not sync the parent of a new folder',
    rule: 'W5',
    breaks: ['a cursor gives every later change once', 'every acknowledged commit is there'],
    edits: [without('FileOperationService/folders.ts', '      await this.#syncs.sync([folder]);')],
    hunt: { workloads: ['the same key from several callers at once'] },
  },
  {
    name: 'gives a file its name before its bytes are durable',
    rule: 'W5',
    breaks: ['the store opens'],
    edits: [
      without(
        'FileOperationService/stagedFile.ts',
        '      if (this.#durable) await handle.sync();',
      ),
    ],
    hunt: { workloads: ['the same key from several callers at once'] },
  },
  {
    name: 'does not sync the file of a run',
    rule: 'W7',
    breaks: ['run files and index equal the log'],
    edits: [
      edit(
        'runFiles.ts',
        'await this.#files.createStaged(file);',
        'await this.#files.createStaged(file, { durable: false });',
      ),
    ],
    hunt: { workloads: ['segments that are removed while callers write'] },
  },
  {
    name: 'does not sync the bytes of an artifact',
    rule: 'W6',
    breaks: ['every named blob is whole'],
    edits: [
      edit(
        'FileOperationService.ts',
        'await this.createStaged(path, { digest: true });',
        'await this.createStaged(path, { digest: true, durable: false });',
      ),
    ],
    hunt: { workloads: ['artifacts'] },
  },
  {
    name: 'names an artifact before its bytes are in their place',
    rule: 'W6',
    breaks: ['every named blob is whole'],
    edits: [
      edit(
        'blobs.ts',
        'await staged.commit(path);\n      return blob;\n    } finally {\n      await staged.discard();',
        'staged.commit(path).catch(() => staged.discard());\n      return blob;\n    } finally {',
      ),
    ],
    hunt: { workloads: ['artifacts'] },
  },
  {
    name: 'writes its journal without O_DSYNC',
    rule: 'W1',
    breaks: ['the store opens', 'every acknowledged commit is there'],
    edits: [
      {
        file: 'src/lib/ports/fileSystem.ts',
        find: 'durableWrite: constants.O_RDWR | (constants.O_DSYNC ?? 0)',
        replace: 'durableWrite: constants.O_RDWR',
      },
    ],
    hunt: { workloads: ['the same key from several callers at once'] },
  },
  {
    name: 'goes on after a kill without a sync of the journal’s folder',
    rule: 'W5',
    breaks: ['the store opens', 'every acknowledged commit is there'],
    edits: [
      edit(
        'journal.ts',
        'await files.syncFolder(layout.journal);\n    await this.#writer.begin(',
        'await this.#writer.begin(',
      ),
    ],
    hunt: { workloads: ['processes that are killed while a segment gets its name'] },
  },
  {
    name: 'takes a blob for durable that it finds',
    rule: 'W6',
    breaks: ['every named blob is whole'],
    edits: [
      edit(
        'blobs.ts',
        'await staged.commit(path);',
        `if ((await files.readIfPresent(path)) !== undefined) return blob;
      await staged.commit(path);`,
      ),
    ],
    hunt: { workloads: ['processes that are killed while a blob gets its name'] },
  },
];
