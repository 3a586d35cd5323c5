import type { DiskCall } from '../../simulatedDisk.ts';
import type { Workload } from '../recording.ts';
import type { Stage } from '../stage.ts';
import { appendEvent, createRun, repeat, together } from './callers.ts';

const PASS_MS = 60_000;

const FOLDER_OF_BLOBS = /\/sha256\/[0-9a-f]{2}$/;

function isOfJournal({ path }: DiskCall): boolean {
  return path.includes('/journal');
}

export const failedJournals: Workload = {
  name: 'a journal whose write fails, and the store that is opened after it',
  run: async (stage) => {
    await createRun(stage, 'r');
    for (const code of ['short', 'EIO', 'ENOSPC']) {
      let left = 1 + stage.random.below(2);
      stage.disk.fault = (call) =>
        call.op === 'write' && isOfJournal(call) && --left === 0 ? code : undefined;
      await together(4, async (n) => {
        // Some are queued while others are written.
        await repeat(n, async () => void (await stage.store.runs.get('r')));
        await appendEvent(stage, 'r', 60 * n);
      });
      stage.disk.fault = () => undefined;
      await stage.kill();
      await appendEvent(stage, 'r', 100);
    }
  },
};

export const failedRunFiles: Workload = {
  name: 'a run file whose write fails',
  run: async (stage) => {
    await createRun(stage, 'r');
    await repeat(2, async (round) => {
      const code = stage.random.pick(['EIO', 'ENOSPC', 'short']);
      let left = 1 + round;
      stage.disk.fault = ({ op, path }) =>
        op === 'write' && path.includes('/runs/') && --left === 0 ? code : undefined;
      await repeat(2, async () => {
        await appendEvent(stage, 'r', 200);
        await stage.pass(PASS_MS);
      });
      stage.disk.fault = () => undefined;
      await stage.pass(PASS_MS);
    });
    await appendEvent(stage, 'r');
  },
};

export const unfinishedWrites: Workload = {
  name: 'processes that are killed while they write their journal',
  run: async (stage) => {
    await createRun(stage, 'r');
    await repeat(3, async () => {
      let left = 1 + stage.random.below(2);
      // The bytes are seen by the next process, and nobody has made them durable.
      stage.disk.fault = (call) => {
        if (call.op === 'write' && isOfJournal(call) && --left === 0) stage.disk.kill();
        return undefined;
      };
      await together(3, () => appendEvent(stage, 'r', 100));
      await together(2, () => appendEvent(stage, 'r', 100));
      stage.disk.fault = () => undefined;
      await stage.kill();
      await appendEvent(stage, 'r');
    });
  },
};

export const namelessSegments: Workload = {
  name: 'processes that are killed while a segment gets its name',
  run: async (stage) => {
    await createRun(stage, 'r');
    await repeat(2, async () => {
      // It has the name, and the next process sees it; but no sync of the folder has begun.
      stage.disk.fault = (call) => {
        if (call.op === 'open' && call.path.endsWith('/journal')) stage.disk.kill();
        return undefined;
      };
      await together(4, () => appendEvent(stage, 'r', 600));
      await appendEvent(stage, 'r', 600);
      stage.disk.fault = () => undefined;
      await stage.kill();
      await appendEvent(stage, 'r');
    });
  },
};

export const namelessBlobs: Workload = {
  name: 'processes that are killed while a blob gets its name',
  run: async (stage) => {
    await createRun(stage, 'r');
    await repeat(2, async () => {
      const body = Buffer.from(stage.random.bytes(600));
      stage.disk.fault = ({ op, path }) => {
        if (op === 'open' && FOLDER_OF_BLOBS.test(path)) stage.disk.kill();
        return undefined;
      };
      await putArtifact(stage, 'r', body);
      stage.disk.fault = () => undefined;
      await stage.kill();
      await putArtifact(stage, 'r', body);
    });
  },
};

async function putArtifact(stage: Stage, runId: string, body: Buffer): Promise<void> {
  const mark = stage.mark();
  await stage.put(mark, runId, { name: 'a', body, metadata: { mark } });
}

/**
 * Frames as long as those of the second life: where one of them was torn and another is written in its
 * place, the one after it stands exactly where the log would have its next.
 */
export const framesAlike: Workload = {
  name: 'commits of one length in one batch',
  run: async (stage) => {
    await repeat(2, (round) =>
      together(4, (n) => createRun(stage, `in the first life ${round}${n}`)),
    );
  },
};
