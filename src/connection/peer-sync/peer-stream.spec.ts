import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PeerRow } from './outbox.store.js';
import { PeerStream } from './peer-stream.js';

let server: Server;
const opened: ((response: ServerResponse) => void)[] = [];
beforeAll(async () => {
  server = createServer((_, response) => opened.shift()?.(response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** A stream and a reader that reads nothing until it is told to. */
async function openStream(): Promise<{ stream: PeerStream; response: ServerResponse; reader: Socket }> {
  const arrived = new Promise<ServerResponse>((resolve) => opened.push(resolve));
  const reader = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  reader.on('error', () => undefined);
  reader.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
  const response = await arrived;
  const node = { id: randomUUID(), status: 'healthy', credentialHash: Buffer.of() } as const;
  return { stream: new PeerStream(node, response), response, reader };
}

async function* pieces(...texts: string[]): AsyncGenerator<string> {
  yield* texts;
}

const rows = (count: number): PeerRow[] =>
  Array.from({ length: count }, () => ({
    id: randomUUID(),
    revision: 1,
    nodeId: '',
    status: 'pending',
    slot: 1,
    publicKey: randomBytes(32),
    salt: randomBytes(16),
    secretKeyId: randomBytes(8),
    dnsBlocking: 'none',
    expiresAt: new Date(),
  }));

/** A kilobyte a peer. */
const describeRow = ({ id }: PeerRow) => ({ id, filling: 'x'.repeat(1_000) });

/** Says more and more until the reader's side takes no more. */
function fill(stream: PeerStream, response: ServerResponse): void {
  while (!response.writableNeedDrain) stream.send(rows(100), 0, describeRow);
}

describe('a reader that does not read', () => {
  it('is not written to beyond what its connection takes', async () => {
    const { stream, response, reader } = await openStream();
    await stream.snapshot(pieces('{}'));
    fill(stream, response);
    const before = response.writableLength;
    for (let round = 0; round < 100; round += 1) stream.send(rows(100), 0, describeRow);
    expect(response.writableLength).toBe(before);
    reader.destroy();
  });

  it('hears the rest, once it reads', async () => {
    const { stream, response, reader } = await openStream();
    await stream.snapshot(pieces('{}'));
    fill(stream, response);
    const [last] = rows(1);
    stream.send(last ? [last] : [], 0, describeRow);
    let text = '';
    reader.on('data', (chunk: Buffer) => (text += chunk.toString()));
    reader.resume();
    await once(response, 'drain');
    expect(text).not.toContain(last?.id);
    stream.send(last ? [last] : [], 0, describeRow);
    await expect.poll(() => text.includes(last?.id ?? '-')).toBe(true);
    reader.destroy();
  });

  it('is dropped after four beats without any progress, and not when it makes some', async () => {
    const { stream, response, reader } = await openStream();
    await stream.snapshot(pieces('{}'));
    fill(stream, response);
    for (let beat = 0; beat < 3; beat += 1) stream.heartbeat(0);
    reader.resume();
    await once(response, 'drain');
    reader.pause();
    fill(stream, response);
    for (let beat = 0; beat < 3; beat += 1) stream.heartbeat(0);
    expect(response.destroyed).toBe(false);
    stream.heartbeat(0);
    expect(response.destroyed).toBe(true);
  });

  it('does not hold up a snapshot of any size in memory, and can be dropped in the middle of it', async () => {
    const { stream, response } = await openStream();
    let written = 0;
    const endless = async function* () {
      for (;;) {
        written += 1;
        yield 'x'.repeat(64 * 1024);
      }
    };
    const snapshot = stream.snapshot(endless());
    await expect.poll(() => response.writableNeedDrain).toBe(true);
    const refused = expect(snapshot).rejects.toThrow();
    for (let beat = 0; beat < 4; beat += 1) stream.heartbeat(0);
    await refused;
    // What the two kernels' buffers take, and little more.
    expect(written).toBeLessThan(1_000);
    expect(stream.isOpen).toBe(false);
  });

  it('does not keep a leaving process waiting', async () => {
    const { stream, response } = await openStream();
    await stream.snapshot(pieces('{}'));
    fill(stream, response);
    stream.close();
    await once(response, 'close');
    expect(response.destroyed).toBe(true);
  });
});

describe('a stream that was closed', () => {
  it('has said everything, and is written to no more', async () => {
    const { stream, response, reader } = await openStream();
    await stream.snapshot(pieces('{"peers":', '[]}'));
    stream.send(rows(1), 0, describeRow);
    stream.close();
    stream.close();
    stream.send(rows(1), 0, describeRow);
    stream.drain();
    stream.heartbeat(0);
    reader.resume();
    let text = '';
    reader.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await once(reader, 'end');
    expect(text).toContain('event: snapshot\ndata: ');
    expect(text.match(/event: [\w-]+/g)).toEqual(['event: snapshot', 'event: peer-added']);
    expect(response.writableFinished).toBe(true);
  });

  it('before its snapshot says none', async () => {
    const { stream, reader } = await openStream();
    stream.close();
    await stream.snapshot(pieces('{}'));
    expect(stream.isOpen).toBe(false);
    reader.resume();
    await once(reader, 'close');
  });

  it('survives a connection that breaks under it', async () => {
    const { stream, response, reader } = await openStream();
    await stream.snapshot(pieces('{}'));
    fill(stream, response);
    reader.resetAndDestroy();
    await once(response, 'close');
    stream.send(rows(1), 0, describeRow);
    stream.heartbeat(0);
    stream.close();
  });
});

describe('a snapshot that cannot be read to its end', () => {
  it('breaks the stream off rather than end it', async () => {
    const { stream, response, reader } = await openStream();
    let text = '';
    reader.resume().on('data', (chunk: Buffer) => (text += chunk.toString()));
    const broken = async function* () {
      yield '{"peers":[';
      await Promise.resolve();
      throw new Error('away');
    };
    await expect(stream.snapshot(broken())).rejects.toThrow('away');
    stream.drop();
    await once(reader, 'close');
    expect([response.writableFinished, stream.isOpen]).toEqual([false, false]);
    // An event counts when its empty line has come: this one never does.
    expect(text).not.toContain('complete');
    expect(text.split('\r\n\r\n')[1] ?? '').not.toContain('\n\n');
  });
});
