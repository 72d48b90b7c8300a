import decodeQR from 'qr/decode.js';
import { describe, expect, it } from 'vitest';
import { toQrSvg, toQrText } from './qr.js';
import { type Connection } from './wallet/state.js';
import { toWgQuick } from './wg-quick.js';

const key = (letter: string) => `${letter.repeat(42)}A=`;
const wireguardConf = `[Interface]
Address = 10.64.255.255/32, fdb7:4a2c:91e6::ffff/128
DNS = 10.64.0.2, fdb7:4a2c:91e6::2
MTU = 1420

[Peer]
PublicKey = ${key('s')}
PresharedKey = ${key('p')}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = [2001:db8:1234:5678:9abc:def0:1234:5678]:51820
PersistentKeepalive = 25
`;
const config = { wireguard_conf: wireguardConf } as Connection['config'];
const connection = { config, privateKey: key('k') } as Connection;

const [blackOnWhite, plain] = ['\u001b[30;107m', '\u001b[0m'] as const;

/** Decodes the dark modules with another library, as a camera app would. */
function read(size: number, isDark: (x: number, y: number) => boolean): string {
  const scale = 4;
  const side = size * scale;
  const data = new Uint8Array(side * side * 4).fill(255);
  for (let pixel = 0; pixel < side * side; pixel++) {
    const [x, y] = [Math.floor((pixel % side) / scale), Math.floor(pixel / side / scale)];
    if (isDark(x, y)) data.fill(0, pixel * 4, pixel * 4 + 3);
  }
  return decodeQR({ width: side, height: side, data }, { timeLimit: 10_000 });
}

describe('toQrText and toQrSvg', () => {
  it('encode the configuration with its private key, for a terminal', () => {
    const lines = toQrText(connection)
      .split('\n')
      .slice(0, -1)
      .map((line) => line.slice(blackOnWhite.length, -plain.length));
    const size = lines[0]?.length ?? 0;
    expect(new Set(lines.map((line) => line.length))).toEqual(new Set([size]));
    const text = read(size, (x, y) => {
      const character = lines[Math.floor(y / 2)]?.[x] ?? ' ';
      return character === '█' || character === (y % 2 === 0 ? '▀' : '▄');
    });
    expect(text).toBe(toWgQuick(connection));
    expect(text).toContain(`PrivateKey = ${connection.privateKey}`);
  });

  it('fit into 80 columns of a terminal', () => {
    expect(toQrText(connection).split('\n')[0]?.length).toBeLessThanOrEqual(80 + blackOnWhite.length + plain.length);
  });

  it('draw black on white as SVG', () => {
    const svg = toQrSvg(connection);
    expect(svg).toMatch(/^<svg [^>]*>.*<\/svg>$/s);
    expect(svg).toMatch(/fill="black"/);
    expect(svg).toMatch(/fill="white"/);
    expect(Number(/ width="(\d+)"/.exec(svg)?.[1])).toBeGreaterThan(250);
  });
});
