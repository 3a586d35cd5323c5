import type { RepairReport } from '../../index.ts';
import type { Call, Verb } from '../call.ts';
import { EXIT, CommandError } from '../failure.ts';
import { bytes, count, plain } from '../text.ts';
import { describeFinding } from './verify.ts';

interface RepairOptions {
  readonly yes?: boolean;
}

const WHAT = 'what is damaged is left out of the store and kept in a copy beside it';

export const repair: Verb = {
  name: 'repair',
  summary: 'make a damaged store usable again; keeps a copy of what it drops',
  define: (command) => command.option('--yes', 'do not ask'),
  run: async (call) => {
    if (!(await agreed(call))) {
      await call.note('nothing was changed');
      return EXIT.failed;
    }
    const report = await call.context.repairStore(call.url);
    if (call.json) await call.object(report);
    else for (const line of describe(report)) await call.line(line);
    return EXIT.ok;
  },
};

async function agreed(call: Call): Promise<boolean> {
  const { terminal, confirm } = call.context;
  if ((call.options as RepairOptions).yes === true) return true;
  if (terminal.stdin && terminal.stderr && !call.json) {
    return confirm(`Repair ${plain(call.url)}? ${WHAT}. [y/N] `);
  }
  throw new CommandError(
    `repair changes ${call.url}, and there is nobody to ask`,
    `give --yes: ${WHAT}`,
  );
}

function describe(report: RepairReport): readonly string[] {
  const { findings, keptIn } = report;
  if (keptIn === null && findings.length === 0) return ['✔ nothing was wrong, nothing was changed'];
  return [
    ...findings.map((finding) => `✖ ${describeFinding(finding)}`),
    `kept     ${count(report.commitsKept, 'commit')} in ${count(report.segmentsKept, 'segment')}`,
    `dropped  ${count(report.commitsDropped, 'commit')}, ${bytes(report.bytesDropped)}`,
    ...(keptIn === null ? [] : [`the journal as it was is in ${plain(keptIn)}`]),
  ];
}
