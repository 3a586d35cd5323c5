import { join } from 'node:path';

/** Who is told that something may have changed. */
export interface HintListener {
  /** Perhaps this path, which is absolute, or something in it. */
  readonly changed: (path: string) => void;
  /** Something, nobody knows where: all is looked at. `cause` is what went wrong, if anything did. */
  readonly missed: (cause?: unknown) => void;
}

/**
 * Says where to look, until the returned function is called. It may say too much, and may miss things:
 * those are found by the next rescan. When it resolves it is listening. `isIgnored` wants a path as
 * `changed` gets it.
 */
export type WatchHints = (
  root: string,
  listener: HintListener,
  options: { readonly isIgnored: (path: string) => boolean; readonly keepAlive: boolean },
) => Promise<() => Promise<void>>;

/** Where nobody says anything: rescans find it all. */
export const noHints: WatchHints = () => Promise.resolve(() => Promise.resolve());

/** What the operating system says, by `chokidar`, which is loaded by the first watch. */
export const systemHints: WatchHints = async (root, listener, { isIgnored, keepAlive }) => {
  const { watch } = await import('chokidar');
  const watcher = watch(root, {
    persistent: keepAlive,
    ignoreInitial: true,
    followSymlinks: false,
    atomic: false,
    ignored: isIgnored,
    // On Windows a watch that keeps no process alive ends the process with an error when its folder is
    // removed: chokidar listens to errors of the other ones only.
    usePolling: process.platform === 'win32' && !keepAlive,
  });
  watcher.on('all', (_event, path) => listener.changed(path));
  watcher.on('unlinkDir', (path) => {
    if (path === root) listener.missed();
  });
  // It leaves out what follows shortly on something else, and looks again later or never.
  watcher.on('raw', (_event, name: string | null, details) => {
    const { watchedPath } = details as { readonly watchedPath?: string };
    if (watchedPath === undefined) return;
    // Windows has lost count.
    if (name === null) return listener.missed();
    // Of a folder the one is what has changed, of a file the other.
    listener.changed(join(watchedPath, name));
    listener.changed(watchedPath);
  });
  watcher.on('error', listener.missed);
  await new Promise<void>((resolve) => watcher.once('ready', () => resolve()));
  return () => watcher.close();
};
