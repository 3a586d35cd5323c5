import type pg from 'pg';
import type { Pg } from './pg.ts';

/** Object ids of types in pg_type.dat. What is not here comes as the server's text. */
const OID = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  oid: 26,
  float4: 700,
  float8: 701,
};
const ARRAY_OID = { bool: 1000, int2: 1005, int4: 1007, text: 1009, varchar: 1015, float8: 1022 };

const FROM_THE_DRIVER: ReadonlySet<number> = new Set([
  OID.bool,
  OID.bytea,
  OID.int2,
  OID.int4,
  OID.oid,
  OID.float4,
  OID.float8,
  ...Object.values(ARRAY_OID),
]);

/**
 * Dates stay text, because the driver would read them in the zone of this machine; so do `numeric`
 * and `json`, which a number of JavaScript cannot always hold.
 */
export function resultTypes({ types }: Pg): pg.CustomTypesConfig {
  const getTypeParser = (oid: number, format?: 'text' | 'binary'): unknown => {
    if (format === 'binary') return types.getTypeParser(oid, 'binary');
    if (oid === OID.int8) return readInt8;
    return FROM_THE_DRIVER.has(oid) ? types.getTypeParser(oid, 'text') : readText;
  };
  return { getTypeParser: getTypeParser as pg.CustomTypesConfig['getTypeParser'] };
}

function readInt8(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

function readText(text: string): string {
  return text;
}
