import type { Store } from '../../../src/index.ts';
import type { PortCall } from '../../../src/testkit/faultyDisk.ts';
import type { World } from './world.ts';

/** In the second round the store has lived through a fault already; other runs are worked on. */
export type Round = 1 | 2;

export type StartName = 'nothing' | 'closed' | 'killed' | 'without index' | 'damaged';

/** What an operation works on. */
export interface Scene {
  readonly world: World;
  readonly round: Round;
  /** The open store; an operation that opens or closes one says so here. */
  store: Store | undefined;
}

export interface Operation {
  readonly name: string;
  /** What is on the disk before. */
  readonly start: StartName;
  /** `opens`: no store is open before. `repairs`: none can be opened before. */
  readonly kind?: 'opens' | 'repairs' | 'closes' | undefined;
  /** The store takes no writes. */
  readonly readOnly?: boolean | undefined;
  /** It writes nothing, so that nothing about it can be unknown. */
  readonly onlyReads?: boolean | undefined;
  /** What is done before, without any fault. */
  readonly arrange?: ((scene: Scene) => Promise<void>) | undefined;
  /** The operation itself; what it returns must be the same whenever it succeeds. */
  readonly act: (scene: Scene) => Promise<unknown>;
  /** Whether these calls, made without a fault, show that it does what its name says. */
  readonly reached?: ((calls: readonly PortCall[]) => boolean) | undefined;
}

export function storeOf(scene: Scene): Store {
  if (scene.store === undefined) throw new Error('no store is open');
  return scene.store;
}

/** A running run with steps, events in two run files, and artifacts. */
export const busy = ({ round }: Pick<Scene, 'round'>): string => `busy-${round}`;
/** A run that has failed. */
export const ended = ({ round }: Pick<Scene, 'round'>): string => `ended-${round}`;
