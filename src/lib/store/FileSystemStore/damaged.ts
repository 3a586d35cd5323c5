import { StoreError } from '../../errors.ts';
import type { Finding } from '../contract.ts';

/** Bytes on disk are not what they must be; it says in which file, and from which byte. */
export class Damaged extends StoreError {
  readonly finding: Finding;

  constructor(code: Finding['code'], file: string, byte: number, what: string, cause?: unknown) {
    const message = `${file}, byte ${byte}: ${what}`;
    super(code, message, { id: file, cause });
    this.finding = { code, file, byte, message };
  }
}
