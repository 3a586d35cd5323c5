import type { DiskImage } from './simulatedDisk.ts';

/** One way in which a file of a disk is not what was written, and where. */
export interface Damage {
  /** As `bit 3 of byte 17` or `sectors 0 and 2 swapped`. */
  readonly what: string;
  /** The path of the file in the image. */
  readonly file: string;
  /** The bytes that may differ, each time from the first up to and without the second. */
  readonly ranges: readonly (readonly [number, number])[];
  /** The whole image with this damage; made anew at each call. */
  readonly inflict: () => DiskImage;
}

/** 512: what a disk writes as a whole. */
const SECTOR_BYTES = 512;

/** Every bit of a file, flipped. */
export function* flippedBits(image: DiskImage, file: string): Generator<Damage, void, undefined> {
  const { length } = contentOf(image, file);
  for (let bit = 0; bit < length * 8; bit++) yield flippedBit(image, file, bit);
}

/** `bit`: counted from the lowest of the first byte. */
export function flippedBit(image: DiskImage, file: string, bit: number): Damage {
  const byte = bit >> 3;
  return damageOf(image, file, `bit ${bit & 7} of byte ${byte}`, [[byte, byte + 1]], (content) => {
    content[byte] = (content[byte] as number) ^ (1 << (bit & 7));
  });
}

/** Every sector of a file that is not zeros, with zeros in its place. */
export function* zeroedSectors(image: DiskImage, file: string): Generator<Damage, void, undefined> {
  const whole = contentOf(image, file);
  for (const [start, end] of sectorsOf(whole)) {
    if (whole.subarray(start, end).every((byte) => byte === 0)) continue;
    const what = `sector ${start / SECTOR_BYTES} zeroed`;
    yield damageOf(image, file, what, [[start, end]], (content) => content.fill(0, start, end));
  }
}

/** Every two whole sectors of a file that differ, each in the other's place. */
export function* swappedSectors(
  image: DiskImage,
  file: string,
): Generator<Damage, void, undefined> {
  const whole = contentOf(image, file);
  const sectors = sectorsOf(whole).filter(([start, end]) => end - start === SECTOR_BYTES);
  for (const [n, a] of sectors.entries()) {
    for (const b of sectors.slice(n + 1)) {
      if (whole.subarray(...a).equals(whole.subarray(...b))) continue;
      const what = `sectors ${a[0] / SECTOR_BYTES} and ${b[0] / SECTOR_BYTES} swapped`;
      yield damageOf(image, file, what, [a, b], (content) => {
        whole.copy(content, a[0], ...b);
        whole.copy(content, b[0], ...a);
      });
    }
  }
}

function damageOf(
  image: DiskImage,
  file: string,
  what: string,
  ranges: Damage['ranges'],
  change: (content: Buffer) => void,
): Damage {
  const inflict = () => {
    const content = Buffer.from(contentOf(image, file));
    change(content);
    return { folders: image.folders, files: new Map(image.files).set(file, content) };
  };
  return { what, file, ranges, inflict };
}

function sectorsOf({ length }: Buffer): [number, number][] {
  return Array.from({ length: Math.ceil(length / SECTOR_BYTES) }, (_, n) => [
    n * SECTOR_BYTES,
    Math.min(length, (n + 1) * SECTOR_BYTES),
  ]);
}

function contentOf({ files }: DiskImage, file: string): Buffer {
  const content = files.get(file);
  if (content === undefined) throw new RangeError(`the image has no file ${file}`);
  return content;
}
