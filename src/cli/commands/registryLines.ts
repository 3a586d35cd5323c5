import type {
  Definition,
  DefinitionOverview,
  DefinitionSummary,
  HistoryEntry,
  Usage,
  UsageCount,
  VersionSummary,
} from '../../index.ts';
import type { Colours } from '../call.ts';
import { count, padTo, plain, time } from '../text.ts';

const NAME_COLUMNS = 24;
const VERSION_COLUMNS = 12;
const DIGEST_SHOWN = 'sha256:'.length + 12;

export function definitionLine({ ref }: Definition): string {
  return plain(ref);
}

export function summaryLine({ name, kind, tags, versionCount }: DefinitionSummary): string {
  return [
    padTo(plain(name), NAME_COLUMNS),
    padTo(plain(kind), 10),
    padTo(count(versionCount, 'version'), 12),
    tagsText(tags),
  ]
    .join('  ')
    .trimEnd();
}

export function overviewLines(overview: DefinitionOverview, colours: Colours): readonly string[] {
  const { name, kind, tags, versions } = overview;
  const head = `${plain(name)}  ${plain(kind)}  ${tagsText(tags)}`.trimEnd();
  return [head, ...versions.map((version) => versionLine(version, colours))];
}

function versionLine(summary: VersionSummary, { red, yellow }: Colours): string {
  const { version, checksum, publishedAt, tags, deprecated, yanked } = summary;
  const marks = [
    ...(tags.length > 0 ? [tags.map(plain).join(' ')] : []),
    ...(yanked === null ? [] : [red(`yanked: ${plain(yanked)}`)]),
    ...(deprecated === null ? [] : [yellow(`deprecated: ${plain(deprecated)}`)]),
  ];
  return [
    `  ${padTo(version, VERSION_COLUMNS)}`,
    time(publishedAt),
    checksum.slice(0, DIGEST_SHOWN),
    ...marks,
  ].join('  ');
}

export function historyLine(entry: HistoryEntry): string {
  const { seq, at, action, version, tag, from, reason } = entry;
  const what =
    tag === null ? `${version}` : `${plain(tag)}: ${from ?? 'none'} → ${version ?? 'none'}`;
  // Only what has a reason can be taken back.
  const undone = reason === null && (action === 'deprecated' || action === 'yanked');
  const why = undone ? 'taken back' : plain(reason ?? '');
  return [padTo(`${seq}`, 4), time(at), padTo(action, 11), what, why].join('  ').trimEnd();
}

export function usageLines({ name, versions, ...total }: Usage): readonly string[] {
  const lines = versions.map(
    (one) => `  ${padTo(one.version, VERSION_COLUMNS)}  ${countText(one)}`,
  );
  return [`${plain(name)}  ${countText(total)}`, ...lines];
}

function countText({ runs, active, lastRunAt }: UsageCount): string {
  const last = lastRunAt === null ? '' : `  last ${time(lastRunAt)}`;
  return `${count(runs, 'run')}, ${active.toLocaleString('en-US')} active${last}`;
}

function tagsText(tags: Readonly<Record<string, string>>): string {
  const each = Object.entries(tags).map(([tag, version]) => `${tag}=${version}`);
  return plain(each.join(' '));
}
