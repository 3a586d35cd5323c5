import { type ErrorCode, StoreError, type WriteOptions } from '../../index.ts';

/** `id`: of what the refusal speaks. */
export function refusal(code: ErrorCode, message: string, id?: string): StoreError {
  return new StoreError(code, message, id === undefined ? {} : { id });
}

export function missing(what: string, id: string): StoreError {
  return refusal('NOT_FOUND', `there is no ${what} ${id}`, id);
}

interface Versioned {
  readonly id: string;
  readonly version: number;
}

export function checkVersion({ id, version }: Versioned, options: WriteOptions = {}): void {
  const { ifVersion = version } = options;
  if (ifVersion === version) return;
  throw refusal('VERSION_CONFLICT', `${id} has version ${version}, not ${ifVersion}`, id);
}
