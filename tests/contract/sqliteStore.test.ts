import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../src/index.ts';
import { describeStoreContract } from '../../src/testkit.ts';

const folders = new Map<string, string>();

describeStoreContract('sqlite:', {
  async open(name) {
    const folder = folders.get(name) ?? (await mkdtemp(join(tmpdir(), 'holdfast-sqlite-')));
    folders.set(name, folder);
    return openStore(`sqlite:${join(folder, 'data.db')}`);
  },
  async destroy(name) {
    const folder = folders.get(name);
    folders.delete(name);
    if (folder !== undefined) await rm(folder, { recursive: true });
  },
});
