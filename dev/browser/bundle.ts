import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

export interface Bundle {
  readonly code: string;
  /** Bytes, minified and compressed as a server would send them. */
  readonly gzipBytes: number;
  /** What it still imports: nothing, when it runs in a browser. */
  readonly imports: readonly string[];
}

/**
 * One ES module of everything that `input` imports, minified, as an app's bundler would make it for browsers.
 *
 * @param input a file
 * @throws when something that is imported cannot be found
 */
export async function bundleForBrowser(input: string): Promise<Bundle> {
  const bundle = await rolldown({
    input,
    platform: 'browser',
    // Sources, so that the bundle is never behind them.
    resolve: {
      conditionNames: ['vpn-source', 'browser', 'import', 'default'],
      extensionAlias: { '.js': ['.ts', '.js'] },
    },
    external: [/^node:/],
    logLevel: 'silent',
  });
  try {
    const { output } = await bundle.generate({ format: 'es', minify: true, codeSplitting: false });
    const [chunk] = output;
    return { code: chunk.code, gzipBytes: gzipSync(chunk.code, { level: 9 }).length, imports: chunk.imports };
  } finally {
    await bundle.close();
  }
}
