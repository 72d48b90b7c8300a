import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DriverPeer, type PeerDriver } from '../src/peer-driver.js';

const key = () => {
  const bytes = randomBytes(32);
  // As X25519 keys are, so that both drivers hold the same text.
  bytes[31]! &= 0x7f;
  return bytes.toString('base64');
};

/** Different numbers have nothing in common. */
export function driverPeer(number: number): DriverPeer {
  const host = 256 + number;
  const allowedIps = [`10.64.${host >> 8}.${host & 255}/32`, `fdb7:4a2c:91e6::${host.toString(16)}/128`];
  return { publicKey: key(), presharedKey: key(), allowedIps };
}

const sorted = (peers: readonly DriverPeer[]) =>
  peers
    .map((peer) => ({ ...peer, allowedIps: peer.allowedIps.toSorted() }))
    .toSorted((a, b) => (a.publicKey < b.publicKey ? -1 : 1));

/** What every driver of peers holds to. */
export function describePeerDriver(
  name: string,
  open: () => Promise<{ driver: PeerDriver; close: () => Promise<void> }>,
): void {
  describe(`the peer driver ${name}`, () => {
    let driver: PeerDriver;
    let close: () => Promise<void>;
    const held = async () => sorted(await driver.list());

    beforeEach(async () => ({ driver, close } = await open()));
    afterEach(() => close());

    it('starts with nobody', async () => {
      expect(await held()).toEqual([]);
    });

    it('holds what it was given, and lists it unchanged', async () => {
      const peers = [driverPeer(1), driverPeer(2), driverPeer(3)];
      await driver.apply(peers);
      expect(await held()).toEqual(sorted(peers));
    });

    it('leaves alone whom a change does not name', async () => {
      const [first, second, third] = [driverPeer(1), driverPeer(2), driverPeer(3)];
      await driver.apply([first, second]);
      await driver.apply([third]);
      await driver.remove([second.publicKey]);
      expect(await held()).toEqual(sorted([first, third]));
    });

    it('replaces the preshared key and the addresses of a peer', async () => {
      const [before, after] = [driverPeer(1), driverPeer(2)];
      await driver.apply([before]);
      const changed = { ...after, publicKey: before.publicKey };
      await driver.apply([changed]);
      expect(await held()).toEqual(sorted([changed]));
    });

    it('gives an address to the peer that claimed it last', async () => {
      const [former, next] = [driverPeer(1), driverPeer(2)];
      await driver.apply([former]);
      const [v4 = '', v6 = ''] = former.allowedIps;
      const taking = { ...next, allowedIps: [v4] };
      await driver.apply([taking]);
      expect(await held()).toEqual(sorted([{ ...former, allowedIps: [v6] }, taking]));
    });

    it('takes the same peers twice, and the removal of peers it does not have', async () => {
      const peer = driverPeer(1);
      await driver.apply([peer]);
      await driver.apply([peer]);
      await driver.remove([driverPeer(2).publicKey]);
      expect(await held()).toEqual([peer]);
      await driver.remove([peer.publicKey, peer.publicKey]);
      await driver.remove([peer.publicKey]);
      expect(await held()).toEqual([]);
    });

    it('takes thousands in one call', async () => {
      const peers = Array.from({ length: 2_500 }, (_, number) => driverPeer(number));
      await driver.apply(peers);
      expect(await held()).toEqual(sorted(peers));
      await driver.remove(peers.slice(1).map(({ publicKey }) => publicKey));
      expect(await held()).toEqual([peers[0]]);
    });

    it('keeps the peers whose traces it wipes, and has none of peers that were never heard', async () => {
      const peers = [driverPeer(1), driverPeer(2)];
      await driver.apply(peers);
      expect(await driver.forgetHandshakesBefore(Date.now() + 60_000)).toBe(0);
      expect(await held()).toEqual(sorted(peers));
    });
  });
}
