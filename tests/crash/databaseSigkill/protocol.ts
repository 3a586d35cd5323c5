import type { DatabaseKind } from '../../proof/histories/database/place.ts';
import type { Flaw } from '../sigkill/protocol.ts';

/** What the program of a lane of killed clients is told, as JSON in its one argument. */
export interface ClientTask {
  readonly kind: DatabaseKind;
  readonly seed: number;
  /** How often it kills; each time one of two writers of one database. */
  readonly cycles: number;
  /** Of each writer. */
  readonly callers: number;
  readonly flaw?: Flaw | undefined;
}

export interface ClientReport {
  /** Writers killed. */
  readonly cycles: number;
  readonly acknowledged: number;
  /** Acknowledged to those that went on, after the other had been killed. */
  readonly afterwards: number;
  /** What was lost or not whole, with the cycle; the lane ends there. */
  readonly problems: readonly string[];
}

/** What the program that kills servers is told, as JSON in its one argument. */
export interface ServerTask {
  readonly seed: number;
  readonly cycles: number;
  /** Over two stores that are open all the time. */
  readonly callers: number;
  /** The server acknowledges commits before they are in its log: they must be found missing. */
  readonly isCareless?: boolean | undefined;
}

export interface ServerReport {
  /** Servers killed. */
  readonly cycles: number;
  readonly acknowledged: number;
  /** Whose outcome was unknown; so many of them were stored. */
  readonly unknown: number;
  readonly unknownStored: number;
  readonly problems: readonly string[];
}
