import { edit, type Mutant, without } from '../mutant.ts';

const ALIKE = 'commits of one length in one batch';
const UNFINISHED = 'processes that are killed while they write their journal';

/** How a store takes up what the last one left. */
export const RECOVERY: readonly Mutant[] = [
  {
    name: 'does not look at checksums',
    rule: 'W2',
    breaks: ['every acknowledged commit is there'],
    edits: [
      edit(
        'frame.ts',
        'return stated === `${SEAL_START}${actual}${SEAL_END}`;',
        'return stated.startsWith(SEAL_START) && actual.length === 8;',
      ),
    ],
    hunt: 'damage',
  },
  {
    name: 'takes everything from the first bad frame on for a tear',
    rule: 'W9',
    breaks: ['every acknowledged commit is there'],
    edits: [
      edit(
        'journal/recover.ts',
        'const isDamaged = durable >= missing || (this.#sealed && this.#broken !== undefined);',
        'const isDamaged = false;',
      ),
    ],
    hunt: 'damage',
  },
  {
    name: 'takes a bad frame in front of a good one for corruption',
    rule: 'W9',
    breaks: ['the store opens'],
    edits: [
      edit(
        'journal/recover.ts',
        'const durable = frame?.durable ?? sealed?.position ?? 0;',
        'const durable = frame?.position ?? sealed?.position ?? 0;',
      ),
    ],
    hunt: { workloads: [ALIKE], tearsMax: 8 },
  },
  {
    name: 'goes on behind a bad frame with the good ones',
    rule: 'W9',
    breaks: ['the store opens'],
    edits: [
      edit(
        'journal/recover.ts',
        'frame?.position === this.#position + 1 && start === this.#byte',
        'frame !== undefined && frame.position > this.#position',
      ),
      without('journal/recover.ts', '      this.#broken = start;'),
    ],
    hunt: { workloads: [ALIKE], tearsMax: 8 },
  },
  {
    name: 'gives the new segment its name before what is copied into it is durable',
    rule: 'W4',
    breaks: ['the store opens'],
    edits: [
      edit(
        'journal/segmentWriter.ts',
        `await prepared.file.write(copies, prepared.info.endByte);
    await this.#publish(prepared, () => undefined);`,
        `await this.#publish(prepared, () => undefined);
    await prepared.file.write(copies, prepared.info.endByte);`,
      ),
    ],
    hunt: { workloads: [UNFINISHED] },
  },
  {
    name: 'serves frames that nothing proves durable, and does not copy them',
    rule: 'W4',
    breaks: ['the store opens', 'every acknowledged commit is there'],
    edits: [
      edit(
        'journal/recover.ts',
        'this.#prove(header.durable);\n    return {',
        'this.#prove(this.#position);\n    return {',
      ),
    ],
    hunt: { workloads: [UNFINISHED] },
  },
  {
    name: 'goes on at the end of the old segment',
    rule: 'W4',
    breaks: ['the store opens', 'an unknown outcome is all or nothing'],
    edits: [
      edit(
        'journal/segmentFile.ts',
        '  /** Resolves when the bytes are durable (W1). */',
        `  static async reopen(fs, files, path, capacity) {
    return new SegmentFile(path, await fs.open(path, OPEN.durableWrite), capacity, files);
  }
`,
      ),
      edit(
        'journal/segmentWriter.ts',
        `    const prepared = await this.#prepare(copies.length, at, unproven.length);
    this.#prepared = prepared;
    await prepared.file.write(copies, prepared.info.endByte);
    await this.#publish(prepared, () => undefined);
    this.#advance(copies, prepared.info.lastPosition + unproven.length);`,
        `    const { fs, files, layout } = this.#parts;
    const info = this.segments.at(-1);
    const path = layout.segment(info.number);
    const file = await SegmentFile.reopen(fs, files, path, info.fileBytes);
    this.#current = { file, info };
    this.#checksum = Number.parseInt(this.#end.checksum, 16);
    await file.write(copies, info.endByte);
    this.#advance(copies, info.lastPosition + unproven.length);`,
      ),
    ],
    hunt: { workloads: [ALIKE], tearsMax: 8, secondShare: 0.15 },
  },
  {
    name: 'reads an old segment up to its own last frame',
    rule: 'W11',
    breaks: ['the store opens', 'run files and index equal the log'],
    edits: [
      edit(
        'journal/recover.ts',
        `  const segments = chain.map((segment, i): SegmentInfo => {
    const end = chain[i + 1]?.header.predecessor ?? tailEnd;`,
        `  const tails = await Promise.all(chain.map((it) => scanNewest(files, it, true)));
  const segments = chain.map((segment, i): SegmentInfo => {
    const { position, wholeByte } = tails[i];
    const end = segment === last ? tailEnd : { position, byte: wholeByte };`,
      ),
    ],
    hunt: { workloads: [UNFINISHED] },
  },
  {
    name: 'takes the segment with the latest time for the newest',
    rule: 'W12',
    breaks: ['the store opens', 'every acknowledged commit is there'],
    edits: [
      edit('journal.ts', 'if (ms > this.#lastMs) {', '{'),
      edit(
        'journal/recover.ts',
        'return { chain, damage: undefined };',
        `chain.sort((a, b) => a.header.at.localeCompare(b.header.at));
  return { chain, damage: undefined };`,
      ),
    ],
    hunt: { workloads: ['a clock that jumps in both directions'] },
  },
  {
    name: 'says in a frame that its own batch is durable',
    rule: 'W9',
    breaks: ['the store opens'],
    edits: [
      edit(
        'journal.ts',
        'commitBody({ position: durable + i + 1, at, durable }, text)',
        'commitBody({ position: durable + i + 1, at, durable: durable + i }, text)',
      ),
    ],
    hunt: { workloads: [ALIKE], tearsMax: 8 },
  },
  {
    name: 'allocates a segment under its own name',
    rule: 'W4',
    breaks: ['the store opens'],
    edits: [
      edit(
        'journal/segmentFile.ts',
        'const temporary = files.temporaryName(path);',
        'const temporary = path;',
      ),
    ],
    hunt: { workloads: ['the same key from several callers at once'] },
  },
];
