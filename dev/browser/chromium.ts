import { type Browser, chromium } from 'playwright-core';
import { findProgram, isExecutable } from '../services/programs.js';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** The browser of this machine: `CHROMIUM`, or the first of the usual names on the PATH. */
export function findChromium(): string | undefined {
  const given = process.env['CHROMIUM'];
  if (given !== undefined && isExecutable(given)) return given;
  return names.map(findProgram).find((path) => path !== undefined);
}

/** A window of its own, without a profile, that speaks to nobody by itself. */
export async function launchChromium(program: string): Promise<Browser> {
  return chromium.launch({
    executablePath: program,
    // As root, and in containers, Chromium cannot make its sandbox; the pages are ours.
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  });
}
