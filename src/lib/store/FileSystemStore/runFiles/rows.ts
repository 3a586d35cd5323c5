import type { ArtifactRow, RunRow, StepRow } from '../../../model/entities.ts';
import { RunState } from '../../../model/runState.ts';
import {
  artifactFromJson,
  artifactToText,
  runFromJson,
  runToText,
  stepFromJson,
  stepToText,
} from '../../../model/text.ts';
import { openLine } from '../frame.ts';
import { PartDamaged } from './damage.ts';

/** The rows of a run at one position, taken at once: the state they come from may move on. */
export interface Rows {
  readonly run: RunRow;
  readonly position: number;
  readonly createdPosition: number;
  readonly lastSeq: number;
  readonly steps: readonly StepRow[];
  readonly artifacts: readonly ArtifactRow[];
}

/** First line of a part. The counts say where the rows end. */
interface Head {
  readonly run: RunRow;
  readonly position: number;
  readonly createdPosition: number;
  readonly lastSeq: number;
  readonly steps: number;
  readonly artifacts: number;
}

/** The bodies of the first lines of a part. */
export function* rowBodies(rows: Rows): Generator<string, void, undefined> {
  const { run, position, createdPosition, lastSeq, steps, artifacts } = rows;
  yield (
    `{"run":${runToText(run)},"position":${position},"createdPosition":${createdPosition}` +
    `,"lastSeq":${lastSeq},"steps":${steps.length},"artifacts":${artifacts.length}`
  );
  for (const step of steps) yield `{"step":${stepToText(step)}`;
  for (const artifact of artifacts) yield `{"artifact":${artifactToText(artifact)}`;
}

/** Opens the head in `line`, which begins the file; it must be that of this run. */
export function parseHead(file: string, line: Buffer, runId: string): Head {
  const head = openLine(line) as unknown as Head | undefined;
  if (head?.run === undefined) throw new PartDamaged(file, 0, 'its first line is damaged');
  const run = runFromJson(head.run);
  if (run.id === runId) return { ...head, run };
  throw new PartDamaged(file, 0, `it holds the run ${run.id}, not ${runId}`);
}

/** The state in the first bytes of a part. */
export function parseRows(
  file: string,
  bytes: Buffer,
  runId: string,
): { state: RunState; position: number; createdPosition: number } {
  const state = new RunState();
  let end = nextLine(file, bytes, 0);
  const head = parseHead(file, bytes.subarray(0, end), runId);
  for (let n = head.steps + head.artifacts; n > 0; n--) {
    const start = end + 1;
    end = nextLine(file, bytes, start);
    const line = openLine(bytes, start, end);
    const isStep = n > head.artifacts;
    const row = line?.[isStep ? 'step' : 'artifact'];
    if (row === undefined) throw new PartDamaged(file, start, 'a row does not match its checksum');
    if (isStep) state.putStep(stepFromJson(row));
    else state.putArtifact(artifactFromJson(row));
  }
  if (end + 1 !== bytes.length)
    throw new PartDamaged(file, end + 1, 'it has more rows than stated');
  state.run = head.run;
  state.lastSeq = head.lastSeq;
  return { state, position: head.position, createdPosition: head.createdPosition };
}

function nextLine(file: string, bytes: Buffer, start: number): number {
  const end = bytes.indexOf(0x0a, start);
  if (end >= 0) return end;
  throw new PartDamaged(file, start, 'its rows end too early');
}
