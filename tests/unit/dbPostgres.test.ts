import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { connectDatabase } from '../../src/index.ts';
import { loadPg } from '../../src/lib/db/postgres/pg.ts';
import { databaseWorld, failure } from './dbWorld.ts';

const world = databaseWorld('postgres');

describe('connecting', () => {
  test('refuses a database that is not in UTF-8 [ED-5]', async () => {
    const admin = await world.connect();
    const name = `holdfast_ascii_${process.pid}`;
    await admin.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'SQL_ASCII'`);
    const url = new URL(await world.url());
    url.pathname = `/${name}`;
    try {
      const error = await failure(connectDatabase(url.href));
      expect(error).toMatchObject({ code: 'UNSUPPORTED', retryable: false });
      expect(String(error)).toContain('SQL_ASCII');
    } finally {
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  });

  test('speaks UTF-8 though the role wants another encoding [ED-5]', async () => {
    const url = new URL(await world.url());
    url.searchParams.set('options', '-c client_encoding=latin1');
    const db = await connectDatabase(url.href);
    const text = 'łódź 日本 😀';
    expect((await db.query('SELECT $1::text AS a', [text])).rows).toEqual([{ a: text }]);
    await db.close();
  });

  test('warns of a server that forgets what it has acknowledged', async () => {
    const url = new URL(await world.url());
    url.searchParams.set('options', '-c synchronous_commit=off');
    const warnings: string[] = [];
    const onWarning = (message: string): void => void warnings.push(message);
    const careless = await connectDatabase(url.href, { onWarning });
    await Promise.all([careless.query('SELECT 1'), careless.query('SELECT 1')]);
    await careless.close();
    expect(warnings).toEqual([expect.stringContaining('synchronous_commit')]);
    warnings.length = 0;
    await (await connectDatabase(await world.url(), { onWarning })).close();
    expect(warnings).toEqual([]);
  });

  test('never shows a password: not in the location, not in an error', async () => {
    const url = new URL(await world.url());
    const { password } = url;
    const db = await world.connect();
    expect(db.location).not.toContain(password);
    expect(db.location).toContain('holdfast@127.0.0.1');
    url.password = 'open-sesame';
    const error = await failure(connectDatabase(url.href));
    expect(error).toMatchObject({ code: 'QUERY_FAILED' });
    expect(JSON.stringify(error) + String(error)).not.toContain('sesame');
  });

  test('says when nothing answers there', async () => {
    const refused = failure(connectDatabase('postgres://someone@127.0.0.1:1/nothing'));
    expect(await refused).toMatchObject({ code: 'STORAGE_FAILED', retryable: true });
    const url = new URL(await world.url());
    url.pathname = '/nowhere';
    expect(await failure(connectDatabase(url.href))).toMatchObject({ code: 'QUERY_FAILED' });
  });

  test('says what to install when the driver is not there', async () => {
    const missing = () => Promise.reject(new Error("Cannot find package 'pg'"));
    const error = await failure(loadPg(missing));
    expect(error).toMatchObject({ code: 'UNSUPPORTED', retryable: false });
    expect(String(error)).toContain('npm install pg');
  });
});

describe('what the server refuses', () => {
  test.each([
    ['08006', 'STORAGE_FAILED'],
    ['23514', 'CONSTRAINT_VIOLATED'],
    ['25006', 'QUERY_FAILED'],
    ['40002', 'CONSTRAINT_VIOLATED'],
    ['40003', 'OUTCOME_UNKNOWN'],
    ['42601', 'QUERY_FAILED'],
    ['53100', 'STORAGE_FULL'],
    ['53200', 'STORAGE_FAILED'],
    ['53300', 'POOL_EXHAUSTED'],
    ['55P03', 'LOCK_TIMEOUT'],
    ['57014', 'QUERY_TIMEOUT'],
    ['57P03', 'STORAGE_FAILED'],
    ['58030', 'STORAGE_FAILED'],
    ['P0001', 'QUERY_FAILED'],
    ['XX001', 'DATA_CORRUPT'],
  ])('with %s is %s', async (state, code) => {
    const db = await world.connect();
    const raise = `DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '${state}'; END $$`;
    const error = await failure(db.query(raise, [], { readOnly: true }));
    expect(error).toMatchObject({ code, cause: { code: state } });
    expect((await db.query('SELECT 1')).rowCount).toBe(1);
  });
});

describe('a process', () => {
  test('ends by itself though a database is open, and listens', async () => {
    const library = new URL('../../src/index.ts', import.meta.url).href;
    const program = `
      import { connectDatabase } from ${JSON.stringify(library)};
      const db = await connectDatabase(process.argv[1]);
      await db.query('SELECT 1');
      await db.listen('news', () => undefined);
      console.log('listens');`;
    const args = ['--input-type=module', '--eval', program, await world.url()];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(stdout).toBe('listens\n');
  });
});

describe('results', () => {
  test('are read without the zone of this machine, and numbers without loss', async () => {
    const db = await world.connect();
    const { rows } = await db.query(`SELECT true AS bool, 1::int2 AS int2, 2::int4 AS int4,
      3.5::float4 AS float4, 1e300::float8 AS float8, 12345678901234567890.5::numeric AS num,
      '2024-03-31'::date AS day, '2024-03-31 02:30:00'::timestamp AS at,
      '{"n": 12345678901234567890}'::jsonb AS json, '{a,"b c",NULL}'::text[] AS texts,
      '{1,2}'::int4[] AS ints, NULL::int8 AS nothing`);
    expect(rows).toEqual([
      {
        bool: true,
        int2: 1,
        int4: 2,
        float4: 3.5,
        float8: 1e300,
        num: '12345678901234567890.5',
        day: '2024-03-31',
        at: '2024-03-31 02:30:00',
        json: '{"n": 12345678901234567890}',
        texts: ['a', 'b c', null],
        ints: [1, 2],
        nothing: null,
      },
    ]);
  });

  test('take arrays as parameters, checked inside', async () => {
    const db = await world.connect();
    const echo = async (type: string, value: unknown) =>
      (await db.query(`SELECT $1::${type} AS a`, [value])).rows[0]?.['a'];
    expect(await echo('text[]', ['a"b', 'c,d', undefined])).toEqual(['a"b', 'c,d', null]);
    expect(await echo('int8[]', [1, 2n ** 53n])).toBe('{1,9007199254740992}');
    const error = await failure(echo('text[]', ['a\0']));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(String(error)).toContain('$1[0]');
  });
});
