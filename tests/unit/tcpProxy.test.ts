import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock, type ProxyMode, TcpProxy } from '../../src/testkit.ts';
import { EchoServer, Peer } from './tcpProxyEcho.ts';

/** More than all buffers on the way hold. */
const LONG = 64 * 2 ** 20;

let server: EchoServer;
let port: number;
let clock: ManualClock;
let proxy: TcpProxy;

beforeEach(async () => {
  server = new EchoServer();
  port = await server.start();
  clock = new ManualClock();
  proxy = await TcpProxy.start({ target: { host: '127.0.0.1', port }, clock });
});

afterEach(async () => {
  await proxy.close();
  await server.close();
});

/** What was sent on this machine before has been read by the time that this is answered. */
async function allRead(): Promise<void> {
  const isMute = server.isMute;
  server.isMute = false;
  const direct = await Peer.to(port);
  await direct.say('?');
  await direct.hears('?');
  direct.socket.destroy();
  await direct.ended();
  server.isMute = isMute;
}

/** A client through the proxy, and its end at the server; both have heard of each other. */
async function pair(): Promise<readonly [client: Peer, remote: Peer]> {
  const client = await Peer.to(proxy.port);
  await client.say('hello');
  const remote = await server.peer();
  await client.hears('hello');
  return [client, remote];
}

describe('a TCP proxy', () => {
  it('lets bytes pass both ways, a megabyte too', async () => {
    const client = await Peer.to(proxy.port);
    const long = `${'x'.repeat(2 ** 20)}.`;
    await client.say(long);
    await client.hearsUpTo(long.length);
    expect(client.heard).toBe(long);
  });

  it('tells the end of a connection to the other end', async () => {
    const [client, remote] = await pair();
    expect(proxy.connections).toBe(1);
    client.socket.end();
    expect(await remote.ended()).toBe('closed');
    expect(await client.ended()).toBe('closed');
    await allRead();
    expect(proxy.connections).toBe(0);
  });

  it('puts itself into the URL of a server', () => {
    expect(proxy.url('postgres://me:secret@db.example:5432/mine?a=b')).toBe(
      `postgres://me:secret@127.0.0.1:${proxy.port}/mine?a=b`,
    );
    expect(proxy.url('redis://db.example/0')).toBe(`redis://127.0.0.1:${proxy.port}/0`);
  });

  it('resets a client when nobody listens behind it', async () => {
    await using lonely = await TcpProxy.start({ target: { host: '127.0.0.1', port: 1 } });
    const client = await Peer.to(lonely.port);
    expect(await client.ended()).toBe('ECONNRESET');
  });
});

describe('a slow network', () => {
  it('lets every piece arrive after its delay, and not before', async () => {
    const [client, remote] = await pair();
    await proxy.set({ delayMs: 100 });
    await client.say('late');
    await allRead();
    clock.advance(99);
    await allRead();
    expect(remote.heard).toBe('hello');
    clock.advance(1);
    await remote.hears('late');
  });

  it('keeps the order when it gets faster', async () => {
    const [client, remote] = await pair();
    await proxy.set({ delayMs: 100 });
    await client.say('one ');
    await allRead();
    await proxy.set('pass');
    await client.say('two');
    client.socket.end();
    await allRead();
    expect(remote.heard).toBe('hello');
    clock.advance(100);
    await remote.ended();
    expect(remote.heard).toBe('helloone two');
  });

  it.each([-1, Number.NaN])('refuses a delay of %s', async (delayMs) => {
    await expect(proxy.set({ delayMs })).rejects.toThrow(RangeError);
  });
});

describe('a partition', () => {
  it.each<ProxyMode>(['drop', 'dropToServer'])(
    'of the kind %s lets nothing arrive at the server, and nobody notices [ED-4]',
    async (mode) => {
      const [client, remote] = await pair();
      await proxy.set(mode);
      await client.say('lost');
      await allRead();
      expect(remote.heard).toBe('hello');
      expect(proxy.connections).toBe(1);
    },
  );

  it('to the client alone lets the server hear [ED-4]', async () => {
    const [client, remote] = await pair();
    await proxy.set('dropToClient');
    await client.say('heard');
    await remote.hears('heard');
    await allRead();
    expect(client.heard).toBe('hello');
  });

  it('to the server alone lets the client hear [ED-4]', async () => {
    const [client, remote] = await pair();
    await proxy.set('dropToServer');
    await remote.say('news');
    await client.hears('news');
    await client.say('lost');
    await allRead();
    expect(remote.heard).toBe('hello');
  });

  it('hides the end of a client from the server, until it has passed [ED-4]', async () => {
    const [client, remote] = await pair();
    await proxy.set('drop');
    client.socket.resetAndDestroy();
    await allRead();
    expect(remote.socket.destroyed).toBe(false);
    await proxy.set('pass');
    expect(await remote.ended()).toBe('ECONNRESET');
  });

  it('leaves no gap: a connection that lost bytes is reset, another goes on [ED-4]', async () => {
    const [client] = await pair();
    const quiet = await Peer.to(proxy.port);
    await proxy.set('drop');
    await client.say('lost');
    await allRead();
    await proxy.set('pass');
    expect(await client.ended()).toBe('ECONNRESET');
    await quiet.say('here');
    await quiet.hears('here');
  });
});

describe('a network that stands still', () => {
  it('holds back what is sent, and delivers it when it goes on [ED-4]', async () => {
    const [client, remote] = await pair();
    await proxy.set('pause');
    await client.say('held');
    await allRead();
    expect(remote.heard).toBe('hello');
    await proxy.set('pass');
    await remote.hears('held');
  });

  it('makes senders wait, and can be closed meanwhile', async () => {
    const [client] = await pair();
    await proxy.set('pause');
    const isAtOnce = client.socket.write('x'.repeat(LONG));
    await allRead();
    expect(isAtOnce).toBe(false);
    expect(client.socket.writableLength).toBeGreaterThan(0);
  });

  it('does not gather for a client that does not read', async () => {
    const [client, remote] = await pair();
    client.socket.pause();
    remote.socket.write('x'.repeat(LONG));
    await allRead();
    expect(remote.socket.writableLength).toBeGreaterThan(0);
    client.socket.resume();
    await client.hearsUpTo(LONG + 'hello'.length);
    expect(remote.socket.writableLength).toBe(0);
  });
});

describe('a network that breaks connections', () => {
  it('resets those that are open, and new ones [ED-4]', async () => {
    const [client, remote] = await pair();
    await proxy.set('reset');
    expect(await client.ended()).toBe('ECONNRESET');
    expect(await remote.ended()).toBe('ECONNRESET');
    const late = Peer.to(proxy.port).then((peer) => peer.ended());
    // It may come as early as in the answer to the attempt.
    expect(await late.catch((error: NodeJS.ErrnoException) => error.code)).toBe('ECONNRESET');
    await proxy.set('pass');
    await pair();
  });

  it('refuses new ones, lets others go on, and listens again at the same port [ED-4]', async () => {
    const [client] = await pair();
    await proxy.set('refuse');
    await expect(Peer.to(proxy.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await client.say('still');
    await client.hears('still');
    await proxy.set('pass');
    await pair();
  });

  it('leaves no socket when it is closed', async () => {
    const [client, remote] = await pair();
    await proxy.close();
    expect(proxy.connections).toBe(0);
    expect([await client.ended(), await remote.ended()]).toEqual(['ECONNRESET', 'ECONNRESET']);
    await expect(Peer.to(proxy.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(proxy.set('pass')).rejects.toThrow('the proxy is closed');
  });
});

describe('a cut', () => {
  const isCommit = (piece: Buffer) => piece.includes('COMMIT');

  it('before a message keeps it from the server', async () => {
    const [client, remote] = await pair();
    const cut = proxy.cut({ direction: 'toServer', at: isCommit });
    await client.say('INSERT;');
    await client.hears('INSERT;');
    await client.say('COMMIT;');
    await cut;
    expect(await client.ended()).toBe('ECONNRESET');
    expect(await remote.ended()).toBe('closed');
    expect(remote.heard).toBe('helloINSERT;');
  });

  it('behind a message lets the server have it, and the client not know', async () => {
    const [client, remote] = await pair();
    const cut = proxy.cut({ direction: 'toServer', at: isCommit, isDelivered: true });
    await client.say('COMMIT;');
    await cut;
    expect(await client.ended()).toBe('ECONNRESET');
    await remote.hears('COMMIT;');
    expect(client.heard).toBe('hello');
  });

  it('before an answer leaves the client without it', async () => {
    const [client, remote] = await pair();
    const cut = proxy.cut({ direction: 'toClient', at: isCommit });
    await client.say('COMMIT;');
    await Promise.all([cut, client.ended(), remote.ended()]);
    expect(remote.heard).toContain('COMMIT;');
    expect(client.heard).toBe('hello');
  });

  it('goes through the middle of a message, once', async () => {
    const [client, remote] = await pair();
    server.isMute = true;
    const cut = proxy.cut({ direction: 'toServer', at: 5 });
    await client.say('ab');
    await remote.hears('ab');
    await client.say('cdefg');
    await Promise.all([cut, remote.ended()]);
    expect(remote.heard).toBe('helloabcde');
    server.isMute = false;
    await pair();
  });

  it('lets what is delayed arrive first', async () => {
    const [client, remote] = await pair();
    await proxy.set({ delayMs: 100 });
    const cut = proxy.cut({ direction: 'toServer', at: isCommit });
    await client.say('INSERT;');
    await allRead();
    await client.say('COMMIT;');
    await Promise.all([cut, remote.ended()]);
    expect(remote.heard).toBe('helloINSERT;');
  });
});
