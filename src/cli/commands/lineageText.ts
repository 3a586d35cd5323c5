import type { ArtifactVersion, Lineage, LineageNode } from '../../index.ts';
import { plain } from '../text.ts';

/** For Graphviz, https://graphviz.org/doc/info/lang.html. */
export function lineageAsDot({ nodes, edges }: Lineage): readonly string[] {
  const quoted = (version: ArtifactVersion) => JSON.stringify(plain(labelOf(version)));
  return [
    'digraph lineage {',
    '  rankdir=LR;',
    '  node [shape=box];',
    ...nodes.map((node) => `  ${quoted(node)}${isThere(node) ? '' : ' [style=dashed]'};`),
    ...edges.map(({ from, to }) => `  ${quoted(from)} -> ${quoted(to)};`),
    '}',
  ];
}

/** For Mermaid, https://mermaid.js.org/syntax/flowchart.html, as GitHub draws it. */
export function lineageAsMermaid({ nodes, edges }: Lineage): readonly string[] {
  const names = new Map(nodes.map((node, n) => [keyOf(node), `n${n}`]));
  const text = (version: ArtifactVersion) =>
    plain(labelOf(version)).replaceAll('#', '#35;').replaceAll('"', '#quot;');
  const name = (version: ArtifactVersion) => names.get(keyOf(version)) ?? '';
  return [
    'flowchart LR',
    ...nodes.map((node) => `  ${name(node)}["${text(node)}"]`),
    ...edges.map(({ from, to }) => `  ${name(from)} --> ${name(to)}`),
  ];
}

/** Two trees under the artifact: what it was made from, and what was made from it. */
export function lineageAsTrees(lineage: Lineage): readonly string[] {
  const { root, edges } = lineage;
  const up = (at: ArtifactVersion) =>
    edges.filter(({ to }) => isSame(to, at)).map(({ from }) => from);
  const down = (at: ArtifactVersion) =>
    edges.filter(({ from }) => isSame(from, at)).map(({ to }) => to);
  const lines = [labelWith(lineage, root)];
  for (const [title, next] of [
    ['made from', up],
    ['made into', down],
  ] as const) {
    if (next(root).length > 0) lines.push(title, ...branches(lineage, root, next));
  }
  return lines;
}

/** What was drawn with its own branches before is drawn without them again. */
function branches(
  lineage: Lineage,
  at: ArtifactVersion,
  next: (at: ArtifactVersion) => readonly ArtifactVersion[],
  drawn: Set<string> = new Set(),
): readonly string[] {
  return next(at).flatMap((version, n, all) => {
    const isLast = n === all.length - 1;
    const isKnown = drawn.has(keyOf(version));
    drawn.add(keyOf(version));
    const more = isKnown && next(version).length > 0 ? ' …' : '';
    const own = isKnown ? [] : branches(lineage, version, next, drawn);
    return [
      `${isLast ? '└─' : '├─'} ${labelWith(lineage, version)}${more}`,
      ...own.map((line) => `${isLast ? '  ' : '│ '} ${line}`),
    ];
  });
}

function labelWith({ nodes }: Lineage, version: ArtifactVersion): string {
  const node = nodes.find((one) => isSame(one, version));
  const mark = node?.artifact === null ? ' (gone)' : isThere(node) ? '' : ' (deleted)';
  return plain(labelOf(version)) + mark;
}

function isThere(node: LineageNode | undefined): boolean {
  return node?.artifact?.deletedAt === null;
}

function labelOf({ runId, name, version }: ArtifactVersion): string {
  return `${runId}/${name}@${version}`;
}

function isSame(a: ArtifactVersion, b: ArtifactVersion): boolean {
  return keyOf(a) === keyOf(b);
}

function keyOf({ runId, name, version }: ArtifactVersion): string {
  return JSON.stringify([runId, name, version]);
}
