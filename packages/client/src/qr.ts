import { type Bitmap2D, correction, generate, mode } from 'lean-qr';
import { toSvgSource } from 'lean-qr/extras/svg';
import { type Connection } from './wallet/state.js';
import { toWgQuick } from './wg-quick.js';

/** Blank modules around the code (ISO/IEC 18004 wants four). */
const quiet = 4;

/**
 * The connection as a QR code for WireGuard's mobile apps. It holds the private key.
 *
 * @throws {WireguardConfError} as `toWgQuick`
 * @returns an SVG document, four pixels a module (some 300 in all) unless the page gives it another size
 */
export function toQrSvg(connection: Connection): string {
  return toSvgSource(codeOf(connection), { pad: quiet, scale: 4, on: 'black', off: 'white', xmlDeclaration: false });
}

/**
 * The same for a terminal: two modules to a character, black on white whatever the terminal's colours.
 *
 * @throws {WireguardConfError} as `toWgQuick`
 * @returns lines with ANSI colours, each ended
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
  // Screens are clean: the lowest correction gives the largest modules.
  return generate(toWgQuick(connection), { maxCorrectionLevel: correction.L, modes: [mode.ascii] });
}
