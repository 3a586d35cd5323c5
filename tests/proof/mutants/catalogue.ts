import { ANSWERS } from './catalogue/answers.ts';
import { CHECKPOINTS } from './catalogue/checkpoints.ts';
import { FAILURES } from './catalogue/failures.ts';
import { INDEX } from './catalogue/derivedIndex.ts';
import { RECOVERY } from './catalogue/recovery.ts';
import { SYNCS } from './catalogue/syncs.ts';
import type { Mutant } from './mutant.ts';

export const MUTANTS: readonly Mutant[] = [
  ...SYNCS,
  ...FAILURES,
  ...RECOVERY,
  ...CHECKPOINTS,
  ...ANSWERS,
  ...INDEX,
];
