import type { FileStoreTuning } from '../../../src/index.ts';
import type { SeededRandom } from '../../../src/testkit.ts';
import type { Trouble } from './troubledDisk.ts';

/** Small segments, short tails, little memory: checkpoints, removals and reloads come often. */
export function tuningOf(random: SeededRandom): Partial<FileStoreTuning> {
  return {
    segmentBytesMin: random.pick([1_024, 2_048, 8_192]),
    segmentBytesMax: 8_192,
    journalBytesKeep: random.pick([1_024, 4_096, 65_536]),
    tailBytesMax: random.pick([200, 1_000, 65_536]),
    cacheBytesMax: random.pick([0, 100_000]),
    quietMs: random.pick([1, 5, 50]),
    ...(random.chance(0.25) && { batchBytesMax: 400 }),
    ...(random.chance(0.25) && { queueBytesMax: 400 }),
    ...(random.chance(0.2) && { journalBytesMax: 12_000 }),
  };
}

/** What the processes of a history meet, one after the other; about every third meets nothing. */
export function troublesOf(random: SeededRandom): Trouble[] {
  if (random.chance(0.3)) return [];
  return Array.from({ length: 1 + random.below(3) }, () => {
    const how = random.pick(['killed', 'killed', 'EIO', 'ENOSPC', 'late', 'short'] as const);
    const among = random.pick(['opening', 'all', 'journal writes', 'journal writes'] as const);
    return { how, among, at: 1 + random.below(among === 'journal writes' ? 10 : 70) };
  });
}
