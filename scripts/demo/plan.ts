import { join } from 'node:path';
import type { Plan } from '../../src/cli.ts';

export const ROOT = join(import.meta.dirname, '..', '..');
/** Left where it is afterwards, to be looked at. */
export const STORE = `file:${join(ROOT, '.holdfast')}`;
export const RECORDER = join(import.meta.dirname, 'recorder.ts');

const work = (name: string): readonly string[] => [
  process.execPath,
  join(import.meta.dirname, 'work.ts'),
  name,
];

/** Four real steps over the files of this repository. */
export const PLAN: Plan = {
  workflow: 'demo',
  steps: [
    { name: 'scan', run: work('scan'), artifacts: ['.cache/demo/files.json'] },
    { name: 'hash', run: work('hash'), dependsOn: ['scan'], artifacts: ['.cache/demo/SHA256SUMS'] },
    { name: 'pack', run: work('pack'), dependsOn: ['hash'], artifacts: ['.cache/demo/pack.br'] },
    {
      name: 'report',
      run: work('report'),
      dependsOn: ['pack'],
      artifacts: ['.cache/demo/report.md'],
    },
  ],
};
