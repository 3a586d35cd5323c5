import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

/** Of this package, from the file beside the sources and beside what is built from them. */
export const { version: VERSION } = load('../../package.json') as { readonly version: string };
