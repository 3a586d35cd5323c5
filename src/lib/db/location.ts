import { resolve } from 'node:path';
import { StoreError } from '../errors.ts';

export type Place =
  | { readonly dialect: 'sqlite'; readonly path: string; readonly location: string }
  | { readonly dialect: 'postgres'; readonly url: string; readonly location: string };

const POSTGRES = /^(postgres(?:ql)?:\/\/)([^/?#]*)(.*)$/s;
/** Passwords that `pg` also takes from the query of a URL. */
const SECRET = /[?&](?:password|sslpassword)=[^&]*/g;

/** Which database a URL names. `INVALID_ARGUMENT`, which never repeats a password. */
export function parsePlace(url: string): Place {
  if (url.startsWith('sqlite:')) return sqlitePlace(url.slice('sqlite:'.length));
  const [, scheme, authority, rest] = POSTGRES.exec(url) ?? [];
  if (scheme === undefined || authority === undefined || rest === undefined) {
    const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0] ?? 'that';
    const known = 'postgres://…, sqlite:./file.db or sqlite::memory:';
    throw new StoreError('INVALID_ARGUMENT', `${scheme} names no database: use ${known}`);
  }
  // A password with `/`, `?` or `#` in it ends the authority too early: the rest of it would be shown.
  if (rest.includes('@')) {
    const message =
      'the URL of the database has an @ where none can be: percent-encode the password';
    throw new StoreError('INVALID_ARGUMENT', message);
  }
  const at = authority.lastIndexOf('@');
  const [user] = authority.slice(0, Math.max(at, 0)).split(':');
  const host = authority.slice(at + 1);
  const shown = rest.replaceAll(SECRET, '').replace(/^([^?]*)&/, '$1?');
  const location = `${scheme}${user === undefined || user === '' ? '' : `${user}@`}${host}${shown}`;
  return { dialect: 'postgres', url, location };
}

/** `./file.db`, `/folder/file.db`, `///folder/file.db` or `:memory:`. */
function sqlitePlace(name: string): Place {
  const path = name.startsWith('///') ? name.slice(2) : name;
  if (path === ':memory:') return { dialect: 'sqlite', path, location: 'sqlite::memory:' };
  if (path === '' || path.startsWith('//') || path.includes('\0')) {
    const message = `sqlite:${name} names no file: use sqlite:./file.db or sqlite:///folder/file.db`;
    throw new StoreError('INVALID_ARGUMENT', message);
  }
  const absolute = resolve(path);
  return { dialect: 'sqlite', path: absolute, location: `sqlite:${absolute}` };
}
