import type { Artifact, Store } from '../../index.ts';
import type { Call, Verb } from '../call.ts';
import { CommandError, EXIT } from '../failure.ts';
import { findArtifact } from '../findArtifact.ts';
import { findRun } from '../findRun.ts';
import { bytes, padTo, plain } from '../text.ts';
import { oneOf, wholeNumber } from '../values.ts';
import { lineageAsDot, lineageAsMermaid, lineageAsTrees } from './lineageText.ts';

const DIRECTIONS = ['ancestors', 'descendants', 'both'] as const;
const FORMATS = { text: lineageAsTrees, dot: lineageAsDot, mermaid: lineageAsMermaid } as const;
const FORMAT_NAMES = Object.keys(FORMATS) as (keyof typeof FORMATS)[];

interface ArtifactsOptions {
  readonly allVersions?: boolean;
  readonly deleted?: boolean;
  readonly direction?: (typeof DIRECTIONS)[number];
  readonly depth?: number;
  readonly format?: keyof typeof FORMATS;
}

export const artifacts: Verb = {
  name: 'artifacts',
  summary:
    'the artifacts of a run, by name; `artifacts lineage <run> <artifact>`: where one came from',
  define: (command) =>
    command
      .argument('<run>', 'its id, a unique beginning or end of it, or `last`; or `lineage`')
      .argument('[of...]', 'for lineage: the run, and the artifact, as name, name@2 or name@alias')
      .option('--all-versions', 'not only the newest version of each')
      .option('--deleted', 'deleted versions, too')
      .option('--direction <which>', `for lineage: ${DIRECTIONS.join(', ')} (both)`, (text) =>
        oneOf(DIRECTIONS, text),
      )
      .option('--depth <steps>', 'for lineage: how far away (all the way)', wholeNumber)
      .option('--format <format>', `for lineage: ${FORMAT_NAMES.join(', ')} (text)`, (text) =>
        oneOf(FORMAT_NAMES, text),
      ),
  run: (call) =>
    call.withStore('read', async (store) => {
      const [given = '', run, name, ...rest] = call.args;
      if (run === undefined) await listArtifacts(call, store, given);
      else if (given === 'lineage' && name !== undefined && rest.length === 0) {
        await showLineage(call, store, run, name);
      } else throw new CommandError(`artifacts takes no ${run}`, 'see `holdfast artifacts --help`');
      return EXIT.ok;
    }),
};

async function listArtifacts(call: Call, store: Store, given: string): Promise<void> {
  const run = await findRun(store, given);
  const { allVersions, deleted } = call.options as ArtifactsOptions;
  const wanted = { allVersions, deleted, limit: 1_000 };
  let found = 0;
  for await (const artifact of store.artifacts.list(run.id, wanted)) {
    found += 1;
    await (call.json ? call.object(artifact) : call.line(lineOf(artifact)));
  }
  if (found === 0 && !call.json) await call.note('the run has no artifacts');
}

async function showLineage(call: Call, store: Store, given: string, wanted: string): Promise<void> {
  const run = await findRun(store, given);
  const { name, version } = await findArtifact(store, run.id, wanted);
  const { direction, depth, format = 'text' } = call.options as ArtifactsOptions;
  const lineage = await store.artifacts.lineage(run.id, name, { version, direction, depth });
  if (call.json) return call.object(lineage);
  for (const line of FORMATS[format](lineage)) await call.line(line);
}

const DIGEST_SHOWN = 'sha256:'.length + 12;

function lineOf(artifact: Artifact): string {
  const { name, version, size, mediaType, digest, aliases, deletedAt, hold } = artifact;
  const marks = aliases.map(plain);
  if (hold !== null) marks.push('(held)');
  if (deletedAt !== null) marks.push('(deleted)');
  return [
    padTo(`${plain(name)}@${version}`, 32),
    padTo(bytes(size), 10),
    padTo(plain(mediaType), 24),
    digest.slice(0, DIGEST_SHOWN),
    ...(marks.length > 0 ? [marks.join(' ')] : []),
  ].join('  ');
}
