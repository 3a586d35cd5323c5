import { type Figure, meets, type Question } from './question.ts';

export interface Answer {
  readonly question: Question;
  readonly figures: readonly Figure[];
  /** Why there are none. */
  readonly failure?: string;
}

/** What the figures were measured on. */
interface Machine {
  readonly node: string;
  readonly platform: string;
  readonly cpus: string;
  readonly syncMs: number;
}

export interface Report {
  readonly machine: Machine;
  readonly quick: boolean;
  readonly seconds: number;
  readonly answers: readonly Answer[];
}

const MARKS = { true: '✔', false: '✘', undefined: '' } as const;
const mark = (figure: Figure): string => MARKS[`${meets(figure)}`];

function format(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Number.isInteger(value) || Math.abs(value) >= 100) {
    return Math.round(value).toLocaleString('en');
  }
  return value.toFixed(Math.abs(value) < 10 ? 2 : 1);
}

function target({ target }: Figure): string {
  return target === undefined ? '' : `${target.is} ${format(target.value)}`;
}

function describe({ machine, seconds, quick }: Report): string {
  return (
    `Node ${machine.node}, ${machine.platform}, ${machine.cpus}; ` +
    `one synced 4 KiB write ${machine.syncMs.toFixed(2)} ms (median); ` +
    `took ${Math.round(seconds)} s${quick ? '; --quick: the figures mean little' : ''}`
  );
}

/** For a terminal: one line a figure, in columns. */
export function asText(report: Report, paint: (text: string, good: boolean) => string): string {
  const figures = report.answers.flatMap((answer) => answer.figures);
  const width = Math.max(0, ...figures.map(({ name }) => name.length));
  const line = (figure: Figure): string => {
    const good = meets(figure);
    const shown = good === undefined ? ' ' : paint(mark(figure), good);
    const value = `${format(figure.value)} ${figure.unit}`;
    const columns = [figure.name.padEnd(width), value.padEnd(19), target(figure).padEnd(11)];
    return `${shown} ${columns.join('  ')}${figure.note ?? ''}`.trimEnd();
  };
  const parts = report.answers.map(({ question, figures, failure }) => {
    const lines = failure === undefined ? figures.map(line) : [paint(`✘ ${failure}`, false)];
    return [`\n${question.id}  ${question.title}`, ...lines].join('\n');
  });
  return `${describe(report)}\n${parts.join('\n')}\n`;
}

export function asMarkdown(report: Report): string {
  const row = (figure: Figure): string =>
    `| ${figure.name} | ${format(figure.value)} ${figure.unit} | ${target(figure)} | ` +
    `${mark(figure)} | ${figure.note ?? ''} |`;
  const parts = report.answers.map(
    ({ question, figures }) =>
      `## ${question.title}\n\n| measure | result | target | | |\n|---|---|---|---|---|\n` +
      `${figures.map(row).join('\n')}\n`,
  );
  return `${PREFACE}\n${describe(report)}.\n\n${parts.join('\n')}`;
}

export function asJson({ answers, ...rest }: Report): string {
  const figures = answers.flatMap(({ question, figures }) =>
    figures.map((figure) => ({ question: question.id, ...figure, met: meets(figure) })),
  );
  const failures = answers.flatMap(({ question, failure }) =>
    failure === undefined ? [] : [{ question: question.id, failure }],
  );
  return JSON.stringify({ ...rest, figures, failures }, null, 2);
}

const PREFACE = `# Benchmarks

Made by \`npm run bench -- --write\`; \`--only a,b\` asks some of the questions, \`--quick\` only looks whether
they work. Contenders take turns, round by round, and ratios are medians over the rounds: they carry over
to another machine, single rates do not. "Raw SQLite" is a loop over \`node:sqlite\` in WAL mode with
\`synchronous=FULL\` and a transaction a write, given the same payload: as durable as Holdfast, without runs,
steps, rules, checksums or concurrent callers. Memory is measured in processes of their own. Peers are
installed by the first run, from the lock file in \`bench/\`.
`;
