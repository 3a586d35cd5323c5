// Prints where the tests find the programs of PostgreSQL; ends with 1 where there is none.
import { findBinaries } from '../tests/services/postgres/binaries.ts';

const binaries = await findBinaries();
if (binaries === undefined) process.exitCode = 1;
else process.stdout.write(`${binaries.folder}: ${binaries.version}\n`);
