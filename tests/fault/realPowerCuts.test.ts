import { afterEach, beforeEach, describe, expect } from '@jest/globals';
import { SeededRandom } from '../../src/testkit.ts';
import { IS_SOAK, SEED } from '../fixtures/proof.ts';
import type { Ledger } from '../fixtures/real/ledger.ts';
import { type Ext4, Mounts, powerCutAbility } from '../fixtures/real/mounts.ts';
import { Trials } from '../fixtures/real/trials.ts';
import { expectWhole } from '../fixtures/real/whole.ts';
import { WriterProcess } from '../fixtures/real/writerProcess.ts';

const CYCLES = IS_SOAK ? 300 : 12;
/** So many cycles in a row on one file system, and one store. */
const CYCLES_TOGETHER = 6;

const trials = new Trials('real-power', 'power cuts of ext4');
const whereDisksCanDie = trials.where(powerCutAbility());
let mounts: Mounts;
let writer: WriterProcess | undefined;

beforeEach(() => {
  mounts = new Mounts();
});
afterEach(() => {
  writer?.kill();
  mounts.release();
});

function newDisk(): Ext4 {
  return mounts.ext4(48, mounts.tmpfs('size=96m'));
}

/** Writes with several callers until the power goes, at a moment that the seed draws. */
async function writeUntilCut(
  disk: Ext4,
  random: SeededRandom,
  prefix: string,
  ledger?: Ledger,
): Promise<Ledger> {
  const [moment, how] = [random.below(250), random.pick(['lost', 'flushed'] as const)];
  writer = new WriterProcess({ url: `file:${disk.folder}/store`, prefix }, [], {}, ledger);
  await writer.must({ do: 'open' });
  const { acknowledged: before } = writer.ledger;
  const cutAt = before + moment;
  let isCut = false;
  const cut = () => {
    if (isCut || (writer?.ledger.acknowledged ?? 0) < cutAt) return;
    isCut = true;
    disk.cutPower(how);
  };
  const isClosing = random.chance(0.25);
  const callers = 1 + random.below(8);
  const rounds = isClosing ? 4 : 1_000;
  await writer.order({ do: 'write', rounds, callers }, isClosing ? undefined : cut);
  const closing = writer.order({ do: 'close' });
  // At some moment of its work: run files, the end of the journal, the mark of the index.
  if (isClosing) disk.cutPower(how);
  else expect(isCut).toBe(true);
  const { refusal } = await closing;
  expect(refusal?.outcome ?? 'ok').not.toContain('untyped');
  await writer.end();
  return writer.ledger;
}

describe('a disk that loses its power', () => {
  whereDisksCanDie(
    'takes nothing that was acknowledged, again and again [ST-1] [W1] [W5] [W10]',
    async () => {
      const random = new SeededRandom(SEED);
      let [disk, ledger]: [Ext4 | undefined, Ledger | undefined] = [undefined, undefined];
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        if (cycle % CYCLES_TOGETHER === 0 || disk === undefined) {
          mounts.release();
          mounts = new Mounts();
          [disk, ledger] = [newDisk(), undefined];
        }
        const at = disk;
        await trials.fault(`cycle ${cycle}`, async () => {
          ledger = await writeUntilCut(at, random, `c${cycle}`, ledger);
          at.unmount();
          at.mount();
          await expectWhole(`file:${at.folder}/store`, ledger);
        });
      }
    },
    IS_SOAK ? 3_600_000 : 120_000,
  );
});
