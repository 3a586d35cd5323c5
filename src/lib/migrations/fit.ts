import { invalid } from './invalid.ts';
import { type Statement, transactionWord } from './statements.ts';

/**
 * A migration is one transaction, or none: with a `COMMIT` inside, half of it would stay when the rest
 * fails, and a dry run would write.
 */
export function refuseUnfit(
  statements: readonly Statement[],
  source: string,
  transactional: boolean,
): void {
  for (const statement of statements) {
    const at = `${source}, line ${statement.line}`;
    const word = transactionWord(statement) ?? (transactional ? undefined : savepoint(statement));
    if (word !== undefined) {
      const why = transactional ? 'runs in a transaction of its own' : 'runs without a transaction';
      throw invalid(at, `${word} is not allowed, because the migration ${why}`);
    }
    const alone = transactional ? needsToBeAlone(statement) : undefined;
    if (alone !== undefined) {
      throw invalid(at, `${alone} cannot run in a transaction: set \`transactional: false\``);
    }
  }
}

/** SQLite begins a transaction with it where there is none. */
function savepoint({ tokens }: Statement): string | undefined {
  const [first] = tokens;
  return first?.text === 'SAVEPOINT' || first?.text === 'RELEASE' ? first.text : undefined;
}

function needsToBeAlone({ tokens }: Statement): string | undefined {
  const [first = '', second = '', third = '', fourth = ''] = tokens.map(({ text }) => text);
  if (first === 'VACUUM') return first;
  if (['CREATE', 'DROP'].includes(first) && ['DATABASE', 'TABLESPACE'].includes(second)) {
    return `${first} ${second}`;
  }
  const isIndex = [second, third].includes('INDEX') && ['CREATE', 'DROP'].includes(first);
  if (first !== 'REINDEX' && !isIndex) return undefined;
  return [third, fourth].includes('CONCURRENTLY') ? `${first} … CONCURRENTLY` : undefined;
}
