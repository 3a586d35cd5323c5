import type { Socket } from 'node:net';

/** Ends a connection by RST, at once: the other end finds it broken, not ended. */
export function resetSocket(socket: Socket): void {
  // There is nothing to reset before it is connected; and while its end is being sent, Node fails to
  // reset a socket and then never closes it (`EINVAL` of libuv).
  if (!socket.connecting && !socket.writableEnded && !socket.destroyed) socket.resetAndDestroy();
  // Without this Node waits for the other end to read all that is written.
  socket.destroy();
}
