import { isStoreError } from '../../../errors.ts';
import { Damaged } from '../damaged.ts';
import { systemCode } from '../storageError.ts';

/** Bytes of a run file are not what they must be: `DATA_CORRUPT`, with file and byte. */
export class PartDamaged extends Damaged {
  constructor(file: string, byte: number, what: string, cause?: unknown) {
    super('DATA_CORRUPT', file, byte, what, cause);
  }
}

/** Whether the file itself is at fault, not the moment: damaged, missing, or unreadable for ever. */
export function asDamage(error: unknown, file: string): PartDamaged | undefined {
  if (error instanceof PartDamaged) return error;
  if (isStoreError(error, 'NOT_FOUND')) return new PartDamaged(file, 0, 'it is missing', error);
  if (isStoreError(error) && systemCode(error.cause) === 'EIO') {
    return new PartDamaged(file, 0, 'the disk cannot read it', error);
  }
  return undefined;
}
