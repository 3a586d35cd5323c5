import type { DiskImage } from '../../../src/testkit/simulatedDisk.ts';

/** Read straight off the files, by docs/format.md alone, for a journal that is whole. */
interface Line {
  readonly start: number;
  /** Past its newline. */
  readonly end: number;
  readonly value: {
    readonly header?: {
      readonly durable: number;
      readonly predecessor: { readonly byte: number; readonly position: number } | null;
    };
    readonly sealed?: object;
    readonly position?: number;
    readonly durable?: number;
  };
}

interface Segment {
  readonly file: string;
  readonly lines: readonly Line[];
}

/** What a whole journal says of itself. */
export class JournalFacts {
  readonly #segments: readonly Segment[];
  readonly #files: DiskImage['files'];

  constructor({ files }: DiskImage) {
    this.#files = files;
    this.#segments = [...files.keys()]
      .filter((file) => /^\/journal\/\d+\.ndjson$/.test(file))
      .toSorted()
      .map((file) => ({ file, lines: linesOf(files.get(file) as Buffer) }));
  }

  get #newest(): Segment {
    return this.#segments.at(-1) as Segment;
  }

  isNewest(file: string): boolean {
    return this.#newest.file === file;
  }

  /** Whether the last owner ended it in order. */
  get isSealed(): boolean {
    return this.#newest.lines.some(({ value }) => value.sealed !== undefined);
  }

  /** The positions of the newest segment's commits. */
  get newestPositions(): readonly number[] {
    return this.#newest.lines.flatMap(({ value }) => value.position ?? []);
  }

  /** The last position before the newest segment. */
  get before(): number {
    return this.#newest.lines[0]?.value.header?.predecessor?.position ?? 0;
  }

  /** What nobody reads: bytes of an old segment behind the end that its successor states (W11). */
  isUnused(file: string, byte: number): boolean {
    const n = this.#segments.findIndex((segment) => segment.file === file);
    const end = this.#segments[n + 1]?.lines[0]?.value.header?.predecessor?.byte;
    return n >= 0 && end !== undefined && byte >= end;
  }

  /** The highest position that the lines of the newest segment prove durable, less those in `ranges`. */
  provenWithout(ranges: readonly (readonly [number, number])[]): number {
    const isHit = ({ start, end }: Line) => ranges.some(([from, to]) => from < end && to > start);
    const whole = this.#newest.lines.filter((line) => !isHit(line));
    return Math.max(0, ...whole.map(({ value }) => value.header?.durable ?? value.durable ?? 0));
  }

  /** The files with nothing but filler behind commit `position`, in the newest segment. */
  cutAfter({ folders, files }: DiskImage, position: number): DiskImage {
    const { file, lines } = this.#newest;
    const kept = lines.filter(({ value }) => (value.position ?? 0) <= position && !value.sealed);
    const content = Buffer.from(this.#files.get(file) as Buffer).fill('\n', kept.at(-1)?.end);
    return { folders, files: new Map(files).set(file, content) };
  }
}

function linesOf(content: Buffer): Line[] {
  const lines: Line[] = [];
  for (let start = 0; start < content.length;) {
    const end = content.indexOf('\n', start) + 1 || content.length;
    const text = content.toString('utf8', start, end).trim();
    if (text !== '') lines.push({ start, end, value: JSON.parse(text) as Line['value'] });
    start = end;
  }
  return lines;
}
