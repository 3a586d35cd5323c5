import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../src/index.ts';
import { describeStoreContract } from '../../src/testkit.ts';
import { FaultyFileSystem } from './faultyFileSystem.ts';

interface Place {
  readonly folder: string;
  readonly fileSystem: FaultyFileSystem;
}

const places = new Map<string, Place>();

async function placeOf(name: string): Promise<Place> {
  const known = places.get(name);
  if (known !== undefined) return known;
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-contract-'));
  const place = { folder, fileSystem: new FaultyFileSystem() };
  places.set(name, place);
  return place;
}

describeStoreContract('file:', {
  async open(name) {
    const { folder, fileSystem } = await placeOf(name);
    return openStore(`file:${join(folder, 'data')}`, { fileSystem });
  },
  async destroy(name) {
    const { folder } = await placeOf(name);
    places.delete(name);
    await rm(folder, { recursive: true });
  },
  async poison(name) {
    const { fileSystem } = await placeOf(name);
    fileSystem.broken = true;
    return {
      heal: async () => {
        fileSystem.broken = false;
      },
    };
  },
});
