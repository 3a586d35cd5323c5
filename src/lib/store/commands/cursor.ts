import { StoreError } from '../../errors.ts';

/** The history that positions belong to. A restored store goes on in a new timeline. */
export interface Identity {
  readonly storeId: string;
  readonly timeline: number;
}

/** A position as callers see it: opaque, and good for this store and timeline only. */
export function toCursor(identity: Identity, position: number): string {
  const text = `${identity.timeline}.${position}.${identity.storeId}`;
  return Buffer.from(text).toString('base64url');
}

export function fromCursor(identity: Identity, cursor: string, durable: number): number {
  const text = typeof cursor === 'string' ? Buffer.from(cursor, 'base64url').toString() : '';
  const match = /^(\d{1,15})\.(\d{1,15})\.(.+)$/.exec(text);
  if (match === null || match[3] !== identity.storeId) {
    throw new StoreError('INVALID_ARGUMENT', 'the position is not a cursor of this store');
  }
  const position = Number(match[2]);
  if (Number(match[1]) !== identity.timeline || position > durable) {
    const message = 'the position belongs to a history that this store has left';
    throw new StoreError('POSITION_EXPIRED', message);
  }
  return position;
}
