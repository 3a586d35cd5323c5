import { median } from './harness/measure.ts';
import { ownProcess } from './harness/ownProcess.ts';
import type { Question } from './harness/question.ts';
import type { Opening } from './processes/opening.ts';

export const opening: Question = {
  id: 'e',
  title: 'Opening a store that was closed, in a process of its own',
  async ask({ filledStore, sizes, progress }) {
    const { runs } = sizes;
    const place = await filledStore(runs);
    progress(`opening ${runs} stored runs`);
    const openings: Opening[] = [];
    for (let n = 0; n < 5; n += 1) openings.push(await ownProcess('opening', [place]));
    const clean = openings.every((each) => each.clean);
    return [
      {
        name: `openStore with ${runs.toLocaleString('en')} stored runs`,
        value: median(openings.map(({ ms }) => ms)),
        unit: 'ms',
        target: { is: '<', value: 1_000 },
        note: `${openings[0]?.runs} runs, ${clean ? 'clean' : 'NOT clean'}`,
      },
      {
        name: 'memory of the process then (RSS)',
        value: median(openings.map(({ rssBytes }) => rssBytes / 1024 ** 2)),
        unit: 'MiB',
        target: { is: '<', value: 200 },
        note: 'Node alone takes about 50',
      },
    ];
  },
};
