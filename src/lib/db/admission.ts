import { StoreError } from '../errors.ts';
import type { Limit } from './limit.ts';
import type { DatabaseSettings } from './settings.ts';

/**
 * Lets as many callers through as there are connections; the others wait in line, so many and so long
 * as the settings say. The pool of `pg` knows neither a bound for its line nor how to leave it.
 */
export class Admission {
  readonly #settings: DatabaseSettings;
  readonly #line = new Set<() => void>();
  #inside = 0;
  #onIdle: (() => void) | undefined;

  constructor(settings: DatabaseSettings) {
    this.#settings = settings;
  }

  get waiting(): number {
    return this.#line.size;
  }

  get inside(): number {
    return this.#inside;
  }

  /** `leave` must follow. `POOL_EXHAUSTED`, or what ended `limit`. */
  enter(limit: Limit): Promise<void> | undefined {
    limit.check();
    const { connectionsMax, waitingMax } = this.#settings;
    if (this.#inside < connectionsMax) {
      this.#inside += 1;
      return undefined;
    }
    if (this.#line.size < waitingMax) return this.#wait(limit);
    const message = `${waitingMax} callers wait already for one of ${connectionsMax} connections`;
    throw new StoreError('POOL_EXHAUSTED', message);
  }

  leave(): void {
    const [next] = this.#line;
    // Whoever comes next takes the place that becomes free: nobody can slip in between.
    if (next !== undefined) return next();
    this.#inside -= 1;
    if (this.#inside === 0) this.#onIdle?.();
  }

  /** Resolves when nobody is inside. */
  idle(): Promise<void> {
    if (this.#inside === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#onIdle = resolve));
  }

  #wait(limit: Limit): Promise<void> {
    const { clock, acquireTimeoutMs, connectionsMax } = this.#settings;
    return new Promise((resolve, reject) => {
      const admit = () => {
        leaveLine();
        resolve();
      };
      const refuse = (reason: StoreError) => {
        leaveLine();
        reject(reason);
      };
      const cancelTimer = clock.after(acquireTimeoutMs, () => {
        const message = `none of ${connectionsMax} connections became free in ${acquireTimeoutMs} ms`;
        refuse(new StoreError('POOL_EXHAUSTED', message));
      });
      const forget = limit.onReached(refuse);
      const leaveLine = () => {
        this.#line.delete(admit);
        cancelTimer();
        forget();
      };
      this.#line.add(admit);
    });
  }
}
