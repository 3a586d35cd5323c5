import type { VerifyReport } from '../../index.ts';
import type { Call, Verb } from '../call.ts';
import { EXIT } from '../failure.ts';
import { adviceForOthers, describeFinding, isOfJournal } from '../findings.ts';
import { progressBar } from '../terminal.ts';
import { bytes, count } from '../text.ts';

const BAR_COLUMNS = 30;

export const verify: Verb = {
  name: 'verify',
  summary: 'read everything that is stored and compare it with its checksums',
  define: (command) => command,
  run: (call) =>
    call.withStore('read', async (store) => {
      const stop = new AbortController();
      const stopListening = call.context.onSignal(() => stop.abort());
      let done = 0;
      let total = 0;
      const bar = (): string =>
        `verifying ${progressBar(done, total, BAR_COLUMNS)} of ${bytes(total)}`;
      const onProgress = (read: number, all: number): void => {
        [done, total] = [read, all];
      };
      call.status.show(bar);
      const report = await store.verify({ onProgress, signal: stop.signal }).finally(stopListening);
      await call.status.clear();
      await print(call, report);
      return report.findings.length === 0 ? EXIT.ok : EXIT.corrupt;
    }),
};

async function print(call: Call, report: VerifyReport): Promise<void> {
  if (call.json) return call.object(report);
  const { green, red } = call.colours;
  for (const finding of report.findings) await call.line(`${red('✖')} ${describeFinding(finding)}`);
  const read = [
    count(report.commits, 'commit'),
    count(report.runs, 'run'),
    count(report.events, 'event'),
    count(report.blobs, 'blob'),
    bytes(report.bytes),
  ].join(', ');
  if (report.findings.length === 0) return call.line(`${green('✔')} all is well: ${read}`);
  await call.line(`${count(report.findings.length, 'finding')} in ${read}`);
  const others = report.findings.filter((finding) => !isOfJournal(finding));
  if (others.length < report.findings.length) {
    await call.note(
      'holdfast: the journal is damaged — restore the store from a backup, or run `holdfast repair`',
    );
  }
  if (others.length > 0) {
    await call.note(`holdfast: stored files are damaged — ${adviceForOthers(others)}`);
  }
}
