import { existsSync, globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { commonShape, serviceKeys } from '../../src/platform/config/config.schema.js';

// Compares the templates in deploy/ with the code. Starts no container.

const read = (path: string) => readFileSync(path, 'utf8');
const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = '']) => found);

const compose = read('deploy/compose.yaml');
const containerfile = read('deploy/Containerfile');
const unit = read('deploy/systemd/vpn-backend@.service');
const nginx = read('deploy/nginx/nginx.conf.template');
const paths = Object.keys((JSON.parse(read('openapi.json')) as { paths: object }).paths);

const known = new Set([...serviceKeys, 'IDENTITY_OWNER_DATABASE_URL', 'NETWORK_OWNER_DATABASE_URL']);
/** First words of settings, such as RATE. A name that begins like a setting and is none is a misspelt setting. */
const firstWords = new Set([...known].map((name) => name.split('_', 1)[0]));
firstWords.delete('NODE'); // Node's own begin with it too.
const isOurs = (name: string) => firstWords.has(name.split('_', 1)[0]);

/** A duration such as `15s`, `1m` or `15`, in seconds. */
const seconds = (text = '') => Number.parseInt(text) * (text.endsWith('m') ? 60 : 1);

describe('deploy/', () => {
  it('names only settings that the service has', () => {
    const files = globSync('deploy/**/*', { withFileTypes: true }).filter((entry) => entry.isFile());
    const names = files.flatMap((file) =>
      all(read(`${file.parentPath}/${file.name}`), /\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b(?=[=:`]|\s)/g),
    );
    expect(names).toContain('SERVICE_ROLE');
    expect(names.filter((name) => isOurs(name) && !known.has(name))).toEqual([]);
  });

  it('gives each side only its own settings', () => {
    const blocks = new Map(compose.split(/^ {2}(?=[a-z-]+:$)/m).map((block) => [block.split(':', 1)[0], block]));
    const settingsOf = (name: string) => all(blocks.get(name) ?? '', /^ {6}([A-Z_]+): /gm);
    expect(settingsOf('gatekeeper')).toContain('SERVICE_ROLE');
    expect(settingsOf('gatekeeper').filter((name) => /^(NETWORK|ISSUER_DIRECTORY)/.test(name))).toEqual([]);
    expect(settingsOf('anonymizer').filter((name) => /^(IDENTITY|FIREBASE|ISSUER_KEY)/.test(name))).toEqual([]);
    const given = [...settingsOf('gatekeeper'), ...settingsOf('anonymizer')];
    expect(given.filter((name) => !known.has(name))).toEqual([]);
  });

  it('runs only programs that the build makes', () => {
    const programs = all(
      [compose, containerfile, unit, read('deploy/README.md')].join('\n'),
      /\b(dist\/[\w/-]+\.js)\b/g,
    );
    expect(new Set(programs).size).toBe(3);
    for (const program of programs) {
      expect(existsSync(program.replace(/^dist\//, '').replace(/\.js$/, '.ts')), program).toBe(true);
    }
  });

  it('builds with every package of packages/, and ships none of them', () => {
    const [build = '', ...others] = containerfile.split(/^FROM /m).slice(1);
    const copied = all(build, /^COPY (packages\/[\w-]+\/package\.json) /gm);
    expect(copied.sort()).toEqual(globSync('packages/*/package.json').sort());
    expect(all(others.at(-1) ?? '', /^COPY .*(packages\/.*)$/gm)).toEqual([]);
  });

  it('connects to the ports that the service listens on', () => {
    const [port, metricsPort] = [commonShape.PORT.parse(undefined), commonShape.METRICS_PORT.parse(undefined)];
    expect(containerfile).toContain(`EXPOSE ${port} ${metricsPort}`);
    expect(all(containerfile, /process\.env\.PORT \|\| (\d+)/g)).toEqual([String(port)]);
    expect(all(compose, /_UPSTREAM: \w+:(\d+)/g)).toEqual([String(port), String(port)]);
    for (const path of all(containerfile, /'(\/health\/\w+)'/g)) expect(paths).toContain(path);
    expect(compose).not.toContain(String(metricsPort));
  });

  it('sets the variables of the proxy template, and does not buffer event streams', () => {
    const asked = new Set(all(nginx.replace(/^ *#.*$/gm, ''), /\$\{([A-Z_]+)\}/g));
    expect([...asked].sort()).toEqual([
      'ANONYMIZER_NAME',
      'ANONYMIZER_UPSTREAM',
      'GATEKEEPER_NAME',
      'GATEKEEPER_UPSTREAM',
    ]);
    for (const name of asked) expect(compose).toMatch(new RegExp(`^ {6}${name}: `, 'm'));
    const streams = all(nginx, /location ~ (\S+) \{[^}]*proxy_buffering off/g).map((pattern) => new RegExp(pattern));
    expect(streams.map((pattern) => pattern.test('/node/5a5a5a5a-5a5a-4a5a-8a5a-5a5a5a5a5a5a/events'))).toEqual([true]);
    expect(paths).toContain('/node/{id}/events');
  });

  it('logs no client address', () => {
    expect(all(nginx, /^\s*access_log (.*);/gm)).toEqual(['off']);
    expect(new Set(all(nginx, /^\s*error_log (.*);/gm))).toEqual(new Set(['stderr emerg']));
    expect(all(read('deploy/nginx/proxy.conf'), /X-Forwarded-For (\S+);/g)).toEqual(['$remote_addr']);
  });

  it('waits longer than the service needs to shut down', () => {
    const grace = commonShape.SHUTDOWN_NOTICE_S.parse(undefined) + commonShape.SHUTDOWN_GRACE_S.parse(undefined);
    const patience = commonShape.REQUEST_TIMEOUT_S.parse(undefined);
    expect(seconds(/stop_grace_period: (\w+)/.exec(compose)?.[1])).toBeGreaterThan(grace);
    expect(seconds(/TimeoutStopSec=(\w+)/.exec(unit)?.[1])).toBeGreaterThan(grace);
    for (const limit of all(nginx, /proxy_read_timeout (\w+);/g)) expect(seconds(limit)).toBeGreaterThan(patience);
  });
});
