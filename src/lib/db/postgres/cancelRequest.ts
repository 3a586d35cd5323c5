import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type pg from 'pg';
import type { Clock } from '../../ports/clock.ts';
import type { Pg } from './pg.ts';

/** Of the driver's `Connection`, what its types leave out. */
interface RawConnection extends EventEmitter {
  readonly stream: Duplex;
  connect(portOrPath: number | string, host?: string): void;
  cancel(processId: number, secretKey: number): void;
}

interface BackendKey {
  readonly processID?: number | null;
  readonly secretKey?: number | null;
}

/**
 * Asks the server to end what `client` runs, on a connection of its own as the protocol wants it,
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS. Resolves
 * with true when the server has taken the request: after that it cannot hit a later statement.
 */
export function requestCancel(
  { Connection }: Pg,
  client: pg.Client,
  { clock, withinMs }: { readonly clock: Clock; readonly withinMs: number },
): Promise<boolean> {
  const { processID, secretKey } = client as BackendKey;
  if (typeof processID !== 'number' || typeof secretKey !== 'number') return Promise.resolve(false);
  const connection = new Connection() as unknown as RawConnection;
  return new Promise((resolve) => {
    let isTaken = false;
    const giveUp = clock.after(withinMs, () => {
      isTaken = false;
      connection.stream.destroy();
    });
    // Whoever waits for the statement learns of it there.
    connection.on('error', () => (isTaken = false));
    connection.once('end', () => {
      giveUp();
      resolve(isTaken);
    });
    connection.once('connect', () => {
      isTaken = true;
      connection.cancel(processID, secretKey);
    });
    const { host, port } = client;
    if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
    else connection.connect(port, host);
  });
}
