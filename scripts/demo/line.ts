import colours from 'picocolors';

const CLEAR = '\r\u001b[2K';

/** Steps on one line as they go; without a terminal it is printed once, when it is complete. */
export class Line {
  readonly #terminal = process.stdout.isTTY;
  #done: string;
  #active = '';

  constructor(start = '') {
    this.#done = start;
    this.#draw();
  }

  running(name: string, attempt = 1): void {
    this.#active = attempt === 1 ? name : `${name} (attempt ${attempt})`;
    this.#draw();
  }

  progress(percent: number): void {
    this.#active = `${this.#active.replace(/ \d+%$/, '')} ${percent}%`;
    this.#draw();
  }

  ended(name: string, durationMs: number): void {
    const title = this.#active.startsWith(name) ? this.#active.replace(/ \d+%$/, '') : name;
    this.#add(
      `${colours.green('✔')} ${title} ${colours.dim(`${(durationMs / 1000).toFixed(1)}s`)}`,
    );
    this.#active = '';
    this.#draw();
  }

  end(last: string): void {
    if (this.#active !== '') this.#add(`● ${this.#active} …`);
    this.#add(last);
    process.stdout.write(`${this.#terminal ? CLEAR : ''}${this.#done}\n`);
  }

  #add(part: string): void {
    this.#done = this.#done === '' ? part : `${this.#done}  ${part}`;
  }

  #draw(): void {
    if (!this.#terminal) return;
    const active = this.#active === '' ? '' : `  ${colours.cyan('●')} ${this.#active}`;
    process.stdout.write(`${CLEAR}${this.#done}${active}`);
  }
}
