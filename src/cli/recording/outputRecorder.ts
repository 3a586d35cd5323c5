import { messageOf } from '../errorFacts.ts';
import { isBrokenPipe } from '../sink.ts';
import type { ChildProcess } from './childProcess.ts';
import { OutputChunker, type OutputChunk, type OutputSource } from './outputChunker.ts';
import { outputEvent } from './outputEvent.ts';
import type { PlanOptions } from './planOptions.ts';
import type { Recording } from './recording.ts';
import type { OutputFigures } from './stepEnd.ts';

const TAIL_BYTES = 1_024;

/**
 * Takes a command's output as it comes: passes it on untouched, and records it in chunks. It is read
 * no faster than both the reader of the live output and the store can take it.
 */
export class OutputRecorder {
  readonly #recording: Recording;
  readonly #stepId: string;
  readonly #options: PlanOptions;
  readonly #bytes = { stdout: 0, stderr: 0 };
  /** What is not passed on any more. */
  readonly #mute = new Set<OutputSource>();
  #chunks = 0;
  #tail = Buffer.alloc(0);

  constructor(recording: Recording, stepId: string, options: PlanOptions) {
    this.#recording = recording;
    this.#stepId = stepId;
    this.#options = options;
  }

  /**
   * Resolves when the command has closed this output, or nobody reads the live one any more. Nothing
   * is recorded before `announced` has resolved, so that a step's output follows its beginning.
   */
  async read(child: ChildProcess, source: OutputSource, announced: Promise<void>): Promise<void> {
    const chunker = new OutputChunker(source, this.#options.clock, (chunk) => this.#record(chunk));
    try {
      await child.read(source, async (data) => {
        await announced;
        this.#bytes[source] += data.length;
        chunker.add(data);
        await Promise.all([this.#passOn(source, data), this.#recording.room()]);
      });
    } catch (error) {
      // Our end of the pipe is closed now, and the command hears of it as it would without us.
      if (!isBrokenPipe(error)) throw error;
    } finally {
      chunker.end();
    }
  }

  figures(): OutputFigures {
    return {
      stdoutBytes: this.#bytes.stdout,
      stderrBytes: this.#bytes.stderr,
      chunks: this.#chunks,
      tail: this.#tail.toString('utf8').replace(/^\uFFFD+/, ''),
    };
  }

  /** Rejects when nobody reads any more. Any other failure ends the passing on, not the recording. */
  async #passOn(source: OutputSource, data: Buffer): Promise<void> {
    if (this.#mute.has(source)) return;
    try {
      await this.#options.live?.[source].write(data);
    } catch (error) {
      if (isBrokenPipe(error)) throw error;
      this.#mute.add(source);
      this.#options.onNotice?.(`${source} is not passed on any more: ${messageOf(error)}`);
    }
  }

  #record(chunk: OutputChunk): void {
    this.#chunks += 1;
    this.#tail = Buffer.concat([this.#tail, chunk.data.subarray(-TAIL_BYTES)]).subarray(
      -TAIL_BYTES,
    );
    this.#recording.appendSoon(outputEvent(this.#stepId, chunk), chunk.data.length);
  }
}
