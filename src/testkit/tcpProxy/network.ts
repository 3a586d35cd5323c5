import type { Clock } from '../../index.ts';

/** The way that bytes go. */
export type ProxyDirection = 'toServer' | 'toClient';

/**
 * What happens to connections, those that are open and new ones:
 * - `pass`: nothing; `{ delayMs }`: every piece arrives so much later, in order;
 * - `drop`: nothing arrives, and nobody is told; `dropToServer`, `dropToClient`: one way only. A
 *   connection that has lost something is reset when it would carry bytes again: TCP has no gaps;
 * - `pause`: nothing is read until another mode, so that senders feel back-pressure;
 * - `reset`: every connection is reset; `refuse`: new ones are refused, the others pass.
 */
export type ProxyMode =
  | 'pass'
  | 'drop'
  | 'dropToServer'
  | 'dropToClient'
  | 'pause'
  | 'reset'
  | 'refuse'
  | { readonly delayMs: number };

/** What a connection asks of the proxy that it belongs to. */
export interface Network {
  readonly clock: Clock;
  readonly mode: ProxyMode;
  /** How much of `chunk` still arrives before the connection is cut; `undefined`: it is not cut. */
  bytesBeforeCut(direction: ProxyDirection, chunk: Buffer): number | undefined;
}

/** Bytes of that way arrive, are lost without a word, or are not even read. */
export type Fate = 'arrive' | 'lose' | 'hold';

export function fateOf(mode: ProxyMode, direction: ProxyDirection): Fate {
  if (mode === 'pause') return 'hold';
  const isLost =
    mode === 'drop' || mode === (direction === 'toServer' ? 'dropToServer' : 'dropToClient');
  return isLost ? 'lose' : 'arrive';
}

export function delayOf(mode: ProxyMode): number {
  return typeof mode === 'object' ? mode.delayMs : 0;
}
