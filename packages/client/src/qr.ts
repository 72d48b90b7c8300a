import { type Bitmap2D, correction, generate, mode } from 'lean-qr';
import { toSvgSource } from 'lean-qr/extras/svg';
import { type Connection } from './wallet/state.js';
import { toWgQuick } from './wg-quick.js';

/** Blank modules around the code (ISO/IEC 18004 wants four). */
const quiet = 4;

/**
 * The connection as a QR code for WireGuard's mobile apps. It contains the private key.
 *
 * @throws {WireguardConfError} as `toWgQuick`
 * @returns an SVG document with four pixels per module, about 300 in all, unless the page sets another size
 */
export function toQrSvg(connection: Connection): string {
  return toSvgSource(codeOf(connection), { pad: quiet, scale: 4, on: 'black', off: 'white', xmlDeclaration: false });
}

/**
 * The same QR code for a terminal: two modules per character, black on white whatever the terminal's colours.
 *
 * @throws {WireguardConfError} as `toWgQuick`
 * @returns lines with ANSI colours, each with a line feed at its end
 */
export function toQrText(connection: Connection): string {
  const code = codeOf(connection);
  const lines: string[] = [];
  for (let y = -quiet; y < code.size + quiet; y += 2) {
    let line = '';
    for (let x = -quiet; x < code.size + quiet; x++) line += halves(code.get(x, y), code.get(x, y + 1));
    lines.push(`\u001b[30;107m${line}\u001b[0m\n`);
  }
  return lines.join('');
}

function halves(upper: boolean, lower: boolean): string {
  if (upper) return lower ? '█' : '▀';
  return lower ? '▄' : ' ';
}

function codeOf(connection: Connection): Bitmap2D {
  // A screen has no dirt or damage to correct, and the lowest error correction gives the largest modules.
  return generate(toWgQuick(connection), { maxCorrectionLevel: correction.L, modes: [mode.ascii] });
}
