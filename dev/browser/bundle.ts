import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

export interface Bundle {
  readonly code: string;
  /** Size in bytes, minified and compressed as a server would send it. */
  readonly gzipBytes: number;
  /** Remaining imports; empty when the bundle runs in a browser. */
  readonly imports: readonly string[];
}

/**
 * Bundles `input` and all that it imports into one minified ES module, as an app's bundler does for browsers.
 *
 * @param input a file
 * @throws {Error} when an import cannot be resolved
 */
export async function bundleForBrowser(input: string): Promise<Bundle> {
  const bundle = await rolldown({
    input,
    platform: 'browser',
    // From the sources, so that the bundle is never outdated.
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
