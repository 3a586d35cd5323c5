import { join } from 'node:path';

/** Where everything of a store lies, below its folder. Folders 0700, files 0600. */
export class Layout {
  readonly root: string;
  readonly identity: string;
  readonly journal: string;
  readonly runs: string;
  readonly index: string;
  readonly indexDatabase: string;
  /** Position and checksum of the index as a clean close left it; absent while a store writes. */
  readonly closed: string;
  readonly blobs: string;
  readonly pins: string;

  constructor(root: string) {
    this.root = root;
    this.identity = join(root, 'store.json');
    this.journal = join(root, 'journal');
    this.runs = join(root, 'runs');
    this.index = join(root, 'index');
    this.indexDatabase = join(this.index, 'index.db');
    this.closed = join(this.index, 'closed.json');
    this.blobs = join(root, 'blobs', 'sha256');
    this.pins = join(root, 'pins.json');
  }

  segment(number: number): string {
    return join(this.journal, `${String(number).padStart(10, '0')}.ndjson`);
  }

  blob(digest: string): string {
    const hex = digest.slice('sha256:'.length);
    return join(this.blobs, hex.slice(0, 2), hex);
  }
}

const SEGMENT_NAME = /^(\d{10,15})\.ndjson$/;

/** The number of a segment's file name; `undefined` for any other file. */
export function segmentNumber(name: string): number | undefined {
  const match = SEGMENT_NAME.exec(name);
  return match === null ? undefined : Number(match[1]);
}
