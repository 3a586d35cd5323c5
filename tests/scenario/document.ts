import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** A page of the documentation: what a test runs stands there and nowhere else. */
export class Page {
  readonly text: string;

  constructor(path: string) {
    this.text = readFileSync(join(ROOT, path), 'utf8');
  }

  /** The fenced blocks of a language, in order. */
  blocks(language: string): readonly string[] {
    const fence = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms');
    return [...this.text.matchAll(fence)].map(([, block]) => block ?? '');
  }

  /** The commands that a comment `# name: …` introduces, by name. */
  recipes(language: string): ReadonlyMap<string, string> {
    const found = this.blocks(language).flatMap((block) =>
      [...block.matchAll(/^# (\w+): .*\n((?:.+\n)+)/gm)].map(
        ([, name = '', command = '']) => [name, command] as const,
      ),
    );
    return new Map(found);
  }

  /** The cells of the table row that begins with `first`, without the first one. */
  row(first: string): readonly string[] {
    const line = this.text.split('\n').find((text) => text.startsWith(`| ${first} |`));
    if (line === undefined) throw new Error(`no table has a row for ${first}`);
    return line
      .split('|')
      .slice(2, -1)
      .map((cell) => cell.trim());
  }
}
