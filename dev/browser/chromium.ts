import { type Browser, chromium } from 'playwright-core';
import { findProgram, isExecutable } from '../services/programs.js';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** Finds the machine's browser: `CHROMIUM`, or the first of the usual names on the PATH. */
export function findChromium(): string | undefined {
  const given = process.env['CHROMIUM'];
  if (given !== undefined && isExecutable(given)) return given;
  return names.map(findProgram).find((path) => path !== undefined);
}

/** Launches a browser without a profile and without background network traffic. */
export async function launchChromium(program: string): Promise<Browser> {
  return chromium.launch({
    executablePath: program,
    // As root and in containers, Chromium cannot create its sandbox. It opens only the project's own pages.
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  });
}
