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

/** A stream and a client that reads nothing until the test resumes it. */
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

/** One kilobyte per peer. */
const describeRow = ({ id }: PeerRow) => ({ id, filling: 'x'.repeat(1_000) });

/** Sends changes until the connection's buffers are full. */
function fill(stream: PeerStream, response: ServerResponse): void {
  while (!response.writableNeedDrain) stream.send(rows(100), 0, describeRow);
}

describe('PeerStream with a client that does not read', () => {
  it('stops writing when the connection’s buffers are full', async () => {
    const { stream, response, reader } = await openStream();
    await stream.snapshot(pieces('{}'));
    fill(stream, response);
    const before = response.writableLength;
    for (let round = 0; round < 100; round += 1) stream.send(rows(100), 0, describeRow);
    expect(response.writableLength).toBe(before);
    reader.destroy();
  });

  it('sends the rest once the client reads', async () => {
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

  it('drops the client after four heartbeats without progress, but not when it makes progress', async () => {
    const { stream, response, reader } = await openStream();
    await stream.snapshot(pieces('{}'));
    fill(stream, response);
    for (let count = 0; count < 3; count += 1) stream.heartbeat(0);
    reader.resume();
    await once(response, 'drain');
    reader.pause();
    fill(stream, response);
    for (let count = 0; count < 3; count += 1) stream.heartbeat(0);
    expect(response.destroyed).toBe(false);
    stream.heartbeat(0);
    expect(response.destroyed).toBe(true);
  });

  it('does not buffer a large snapshot in memory, and can be dropped in the middle of it', async () => {
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
    for (let count = 0; count < 4; count += 1) stream.heartbeat(0);
    await refused;
    // The size of the two kernel buffers, and little more.
    expect(written).toBeLessThan(1_000);
    expect(stream.isOpen).toBe(false);
  });

  it('does not delay the shutdown of the process', async () => {
    const { stream, response } = await openStream();
    await stream.snapshot(pieces('{}'));
    fill(stream, response);
    stream.close();
    await once(response, 'close');
    expect(response.destroyed).toBe(true);
  });
});

describe('PeerStream.close', () => {
  it('delivers everything sent before, and writes no more', async () => {
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

  it('prevents a snapshot that has not started', async () => {
    const { stream, reader } = await openStream();
    stream.close();
    await stream.snapshot(pieces('{}'));
    expect(stream.isOpen).toBe(false);
    reader.resume();
    await once(reader, 'close');
  });

  it('tolerates a connection that has broken', async () => {
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

describe('PeerStream.snapshot', () => {
  it('rejects when reading fails in the middle, so that the event stays incomplete', async () => {
    const { stream, response, reader } = await openStream();
    let text = '';
    reader.resume().on('data', (chunk: Buffer) => (text += chunk.toString()));
    const broken = async function* () {
      yield '{"peers":[';
      await Promise.resolve();
      throw new Error('down');
    };
    await expect(stream.snapshot(broken())).rejects.toThrow('down');
    stream.drop();
    await once(reader, 'close');
    expect([response.writableFinished, stream.isOpen]).toEqual([false, false]);
    // An event is complete at its empty line, which never comes here.
    expect(text).not.toContain('complete');
    expect(text.split('\r\n\r\n')[1] ?? '').not.toContain('\n\n');
  });
});
