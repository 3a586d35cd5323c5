import type { Verb } from '../call.ts';
import { EXIT } from '../failure.ts';
import { findArtifact } from '../findArtifact.ts';
import { findRun } from '../findRun.ts';

export const cat: Verb = {
  name: 'cat',
  summary: 'the bytes of an artifact, untouched, on standard output',
  define: (command) =>
    command
      .argument('<run>', 'its id, a unique beginning or end of it, or `last`')
      .argument(
        '<artifact>',
        'its name; name@2 is its second version, name@best the one with that alias',
      ),
  run: (call) =>
    call.withStore('read', async (store) => {
      const [given = '', wanted = ''] = call.args;
      const run = await findRun(store, given);
      const { name, version } = await findArtifact(store, run.id, wanted);
      if (call.json) {
        await call.object(await store.artifacts.get(run.id, name, { version }));
        return EXIT.ok;
      }
      for await (const chunk of store.artifacts.open(run.id, name, { version })) {
        await call.context.stdout.write(chunk);
      }
      return EXIT.ok;
    }),
};
