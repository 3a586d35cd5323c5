import pg from 'pg';
import { payload } from '../harness/payload.ts';
import type { Contender } from '../harness/measure.ts';

const INSERT = 'INSERT INTO raw_events VALUES ($1, $2, $3, $4, $5)';

/**
 * What one would write by hand: single-row inserts by a named statement, each its own transaction,
 * durable before it is answered. One caller a connection.
 */
export async function rawPostgres(url: string, connections: number): Promise<Contender> {
  const clients = Array.from({ length: connections }, () => new pg.Client(url));
  await Promise.all(clients.map((client) => client.connect()));
  await clients[0]?.query(
    `CREATE TABLE raw_events (run_id text, seq bigint, type text, recorded_at text, payload text,
     PRIMARY KEY (run_id, seq))`,
  );
  const idle = [...clients];
  let seq = 0;
  return {
    name: `raw pg inserts, ${connections === 1 ? 'one connection' : `${connections} connections`}`,
    async write(n) {
      const client = idle.pop() as pg.Client;
      const values = [`run-${n % connections}`, (seq += 1), 'http.response'];
      const text = JSON.stringify(payload(n));
      await client.query({
        name: 'insert',
        text: INSERT,
        values: [...values, new Date().toISOString(), text],
      });
      idle.push(client);
    },
    close: () => Promise.all(clients.map((client) => client.end())),
  };
}
