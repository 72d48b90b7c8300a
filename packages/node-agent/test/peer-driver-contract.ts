import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DriverPeer, type PeerDriver } from '../src/peer-driver.js';

const key = () => {
  const bytes = randomBytes(32);
  // As in X25519 keys, so that both drivers return the same text.
  bytes[31]! &= 0x7f;
  return bytes.toString('base64');
};

/** Peers with different numbers have no key and no address in common. */
export function driverPeer(number: number): DriverPeer {
  const host = 256 + number;
  const allowedIps = [`10.64.${host >> 8}.${host & 255}/32`, `fdb7:4a2c:91e6::${host.toString(16)}/128`];
  return { publicKey: key(), presharedKey: key(), allowedIps };
}

const sorted = (peers: readonly DriverPeer[]) =>
  peers
    .map((peer) => ({ ...peer, allowedIps: peer.allowedIps.toSorted() }))
    .toSorted((a, b) => (a.publicKey < b.publicKey ? -1 : 1));

/** The contract of `PeerDriver`, tested against each driver. */
export function describePeerDriver(
  name: string,
  open: () => Promise<{ driver: PeerDriver; close: () => Promise<void> }>,
): void {
  describe(`PeerDriver contract: ${name}`, () => {
    let driver: PeerDriver;
    let close: () => Promise<void>;
    const peersOf = async () => sorted(await driver.list());

    beforeEach(async () => ({ driver, close } = await open()));
    afterEach(() => close());

    it('starts without peers', async () => {
      expect(await peersOf()).toEqual([]);
    });

    it('lists the applied peers unchanged', async () => {
      const peers = [driverPeer(1), driverPeer(2), driverPeer(3)];
      await driver.apply(peers);
      expect(await peersOf()).toEqual(sorted(peers));
    });

    it('does not touch peers that a change does not name', async () => {
      const [first, second, third] = [driverPeer(1), driverPeer(2), driverPeer(3)];
      await driver.apply([first, second]);
      await driver.apply([third]);
      await driver.remove([second.publicKey]);
      expect(await peersOf()).toEqual(sorted([first, third]));
    });

    it('replaces the preshared key and the addresses of a peer', async () => {
      const [before, after] = [driverPeer(1), driverPeer(2)];
      await driver.apply([before]);
      const changed = { ...after, publicKey: before.publicKey };
      await driver.apply([changed]);
      expect(await peersOf()).toEqual(sorted([changed]));
    });

    it('gives an address to the peer that claimed it last', async () => {
      const [former, next] = [driverPeer(1), driverPeer(2)];
      await driver.apply([former]);
      const [v4 = '', v6 = ''] = former.allowedIps;
      const taking = { ...next, allowedIps: [v4] };
      await driver.apply([taking]);
      expect(await peersOf()).toEqual(sorted([{ ...former, allowedIps: [v6] }, taking]));
    });

    it('accepts the same peers twice, and the removal of unknown peers', async () => {
      const peer = driverPeer(1);
      await driver.apply([peer]);
      await driver.apply([peer]);
      await driver.remove([driverPeer(2).publicKey]);
      expect(await peersOf()).toEqual([peer]);
      await driver.remove([peer.publicKey, peer.publicKey]);
      await driver.remove([peer.publicKey]);
      expect(await peersOf()).toEqual([]);
    });

    it('accepts thousands of peers in one call', async () => {
      const peers = Array.from({ length: 2_500 }, (_, number) => driverPeer(number));
      await driver.apply(peers);
      expect(await peersOf()).toEqual(sorted(peers));
      await driver.remove(peers.slice(1).map(({ publicKey }) => publicKey));
      expect(await peersOf()).toEqual([peers[0]]);
    });

    it('has nothing to erase for peers without a handshake, and keeps them', async () => {
      const peers = [driverPeer(1), driverPeer(2)];
      await driver.apply(peers);
      expect(await driver.forgetHandshakesBefore(Date.now() + 60_000)).toBe(0);
      expect(await peersOf()).toEqual(sorted(peers));
    });
  });
}
