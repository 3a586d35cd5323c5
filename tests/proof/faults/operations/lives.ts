import type { OpenOptions } from '../../../../src/index.ts';
import type { PortCall } from '../../../../src/testkit/faultyDisk.ts';
import { busy, type Operation, type Scene, type StartName, storeOf } from '../operation.ts';

const inFolder =
  (folder: string, op: PortCall['op']) =>
  (calls: readonly PortCall[]): boolean =>
    calls.some((call) => call.op === op && (call.to ?? call.path).includes(`/${folder}/`));

const append = async (scene: Scene, bytes: number): Promise<void> => {
  const payload = 'n'.repeat(bytes);
  await storeOf(scene).events.append(busy(scene), { type: 'new', payload });
};

/** The clock goes on, and the checkpointer does all that it finds to do. */
const quiet = async ({ world }: Scene): Promise<void> => {
  world.clock.advance(10);
  await world.settled();
};

const end = (scene: Scene) => storeOf(scene).runs.update(busy(scene), { status: 'cancelled' });

/** What the store does by itself. */
export const BACKGROUND: readonly Operation[] = [
  {
    name: 'a checkpoint',
    start: 'closed',
    arrange: (scene) => append(scene, 10),
    act: quiet,
    reached: inFolder('runs', 'rename'),
  },
  {
    name: 'a merge of run files',
    start: 'closed',
    arrange: async (scene) => void (await end(scene)),
    act: quiet,
    reached: (calls) => inFolder('runs', 'read')(calls) && inFolder('runs', 'rename')(calls),
  },
  {
    name: 'the removal of a deleted run',
    start: 'closed',
    arrange: (scene) => storeOf(scene).runs.delete(busy(scene)),
    act: quiet,
    reached: inFolder('runs', 'unlink'),
  },
  {
    name: 'the removal of segments',
    start: 'closed',
    arrange: async (scene) => {
      await storeOf(scene).pins.create({ name: `holds the log ${scene.round}` });
      for (let n = 0; n < 8; n++) await append(scene, 900);
      await quiet(scene);
      await append(scene, 10);
      await storeOf(scene).pins.release(`holds the log ${scene.round}`);
    },
    act: quiet,
    reached: inFolder('journal', 'unlink'),
  },
];

const open = (name: string, start: StartName, options?: OpenOptions): Operation => ({
  name,
  start,
  kind: 'opens',
  readOnly: options?.readOnly,
  act: async (scene) => {
    scene.store = await scene.world.open(options);
  },
});

const repair = (name: string, start: StartName, kind: Operation['kind']): Operation => ({
  name,
  start,
  kind,
  act: async ({ world }) => (await world.repair()).keptIn === null,
});

const close = (name: string, arrange?: Operation['arrange'], op?: PortCall['op']): Operation => ({
  name,
  start: 'closed',
  kind: 'closes',
  arrange,
  async act(scene) {
    const store = storeOf(scene);
    scene.store = undefined;
    await store.close();
  },
  reached: op === undefined ? undefined : inFolder('runs', op),
});

const poison = async (scene: Scene): Promise<void> => {
  const { disk } = scene.world;
  disk.fault = ({ op, path }) =>
    op === 'write' && /journal.\d{10}\.ndjson$/.test(path) ? 'EIO' : undefined;
  await append(scene, 10).catch(() => undefined);
  disk.fault = () => undefined;
  if (storeOf(scene).status !== 'poisoned') throw new Error('it is not poisoned');
};

/** The beginning and the end of a store's time in a process. */
export const LIVES: readonly Operation[] = [
  open('opening a new store', 'nothing'),
  open('opening after a clean close', 'closed'),
  open('opening after a kill', 'killed'),
  open('opening read-only after a clean close', 'closed', { readOnly: true }),
  open('opening read-only after a kill', 'killed', { readOnly: true }),
  repair('repairStore of a damaged journal', 'damaged', 'repairs'),
  repair('repairStore of a store that is well', 'closed', 'opens'),
  close('close with nothing to do'),
  close('close with runs to save', (scene) => append(scene, 100), 'rename'),
  close('close with run files to merge', async (scene) => void (await end(scene)), 'unlink'),
  close('close of a poisoned store', poison),
];

/** What a folder has and memory has not: the lock, the owner, the index and the mark of a close. */
export const IN_FOLDERS: readonly Operation[] = [
  ...LIVES,
  open('opening with the index to rebuild', 'without index'),
  {
    name: 'the first write after a clean close',
    start: 'closed',
    act: (scene) => append(scene, 100),
    reached: (calls) =>
      calls.some(({ op, path }) => op === 'unlink' && path.endsWith('closed.json')),
  },
];
