import type { Artifact } from '../../index.ts';
import type { Verb } from '../call.ts';
import { EXIT } from '../failure.ts';
import { findRun } from '../findRun.ts';
import { bytes, padTo, plain } from '../text.ts';

interface ArtifactsOptions {
  readonly allVersions?: boolean;
  readonly deleted?: boolean;
}

export const artifacts: Verb = {
  name: 'artifacts',
  summary: 'the artifacts of a run, by name',
  define: (command) =>
    command
      .argument('<run>', 'its id, a unique beginning or end of it, or `last`')
      .option('--all-versions', 'not only the newest version of each')
      .option('--deleted', 'deleted versions, too'),
  run: (call) =>
    call.withStore('read', async (store) => {
      const run = await findRun(store, call.args[0] ?? '');
      const { allVersions, deleted } = call.options as ArtifactsOptions;
      const wanted = { allVersions, deleted, limit: 1_000 };
      let found = 0;
      for await (const artifact of store.artifacts.list(run.id, wanted)) {
        found += 1;
        await (call.json ? call.object(artifact) : call.line(lineOf(artifact)));
      }
      if (found === 0 && !call.json) await call.note('the run has no artifacts');
      return EXIT.ok;
    }),
};

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
