import { isStoreError, type RepairReport } from '../../index.ts';
import type { Call, Verb } from '../call.ts';
import { CommandError, EXIT } from '../failure.ts';
import { adviceForOthers, describeFinding, isOfJournal } from '../findings.ts';
import { repairForVerb } from '../openForVerb.ts';
import { requireStore } from '../storeFolder.ts';
import { bytes, count, plain } from '../text.ts';

interface RepairOptions {
  readonly yes?: boolean;
}

const WHAT = 'what cannot be read of the journal is left out, and kept in a copy in the store';

export const repair: Verb = {
  name: 'repair',
  summary: 'make a store with a damaged journal usable again; keeps a copy of what it drops',
  define: (command) => command.option('--yes', 'do not ask'),
  run: async (call) => {
    const { cwd, fileSystem } = call.context;
    await requireStore(call.url, cwd, fileSystem);
    const { yes } = call.options as RepairOptions;
    if (yes !== true && (await journalIsDamaged(call)) && !(await agreed(call))) {
      await call.note('nothing was changed');
      return EXIT.failed;
    }
    const report = await repairForVerb(call);
    // Whatever else was found is there as before.
    const others = report.findings.filter((finding) => !isOfJournal(finding));
    if (call.json) await call.object(report);
    else for (const line of describe(report)) await call.line(line);
    if (others.length === 0) return EXIT.ok;
    if (!call.json) {
      await call.note(`holdfast: not everything could be mended — ${adviceForOthers(others)}`);
    }
    return EXIT.corrupt;
  },
};

/** Nobody is asked about a repair that would change nothing. */
async function journalIsDamaged(call: Call): Promise<boolean> {
  try {
    return await call.withStore('read', async (store, { damaged }) => {
      if (damaged) return true;
      call.status.show(() => 'looking for damage …');
      const { findings } = await store.verify();
      await call.status.clear();
      return findings.some(isOfJournal);
    });
  } catch (error) {
    // So damaged that it cannot even be looked at: that is what a repair is for.
    if (isStoreError(error, 'JOURNAL_CORRUPT')) return true;
    throw error;
  }
}

async function agreed(call: Call): Promise<boolean> {
  const { terminal, confirm } = call.context;
  if (terminal.stdin && terminal.stderr && !call.json) {
    return confirm(`Repair the journal of ${plain(call.url)}? ${WHAT}. [y/N] `);
  }
  throw new CommandError(
    `repair changes ${call.url}, and there is nobody to ask`,
    `give --yes: ${WHAT}`,
  );
}

function describe(report: RepairReport): readonly string[] {
  const { findings, keptIn } = report;
  const found = findings.map((finding) => `✖ ${describeFinding(finding)}`);
  if (keptIn === null) {
    return [...found, '✔ nothing is wrong with the journal, nothing was changed'];
  }
  return [
    ...found,
    `kept     ${count(report.commitsKept, 'commit')} in ${count(report.segmentsKept, 'segment')}`,
    `dropped  ${count(report.commitsDropped, 'commit')}, ${bytes(report.bytesDropped)}`,
    `the journal as it was is in ${plain(keptIn)}`,
  ];
}
