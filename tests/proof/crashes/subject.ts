import { type OpenOptions, openStore } from '../../../src/index.ts';
import type { OpenInWorld } from '../../../src/testkit.ts';

/** So small that a few writes already fill segments, make run files and merge them. */
export const TINY: OpenOptions = {
  segmentBytesMin: 2048,
  segmentBytesMax: 4096,
  journalBytesKeep: 4096,
  tailBytesMax: 2048,
  quietMs: 1_000,
};

export const openFileStore: OpenInWorld = (world) => openStore('memory:', { ...world, ...TINY });
