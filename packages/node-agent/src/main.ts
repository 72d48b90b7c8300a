#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { commandsIn } from './command.js';
import { ConfigError, defaultConfigFile, type NodeConfig, readConfig } from './daemon/config.js';
import { Daemon, reasonOf } from './daemon/daemon.js';
import { log } from './daemon/log.js';
import { FileCredentialStore } from './daemon/private-files.js';
import { examineHost } from './daemon/requirements.js';
import { askDaemon } from './daemon/status-socket.js';
import { describeStatus, isLeaving } from './daemon/status-page.js';
import { version } from './daemon/version.js';
import { rotateCredential } from './rotate-credential.js';

const usage = `vpn-node-agent ${version}: makes this server a node of the VPN

  vpn-node-agent run                 serve until SIGTERM, then drain and leave; SIGHUP looks after everything at once
  vpn-node-agent --check             what is missing on this host
  vpn-node-agent status [--json]     how the running agent is
  vpn-node-agent drain               the running agent takes nothing new, and serves whom it has, until it is restarted
  vpn-node-agent rotate-credential   another credential; the running agent takes it over

  --config FILE   settings, ${defaultConfigFile} unless given; the environment wins over it
`;

async function run(config: NodeConfig): Promise<number> {
  const daemon = new Daemon(config, log);
  const hurry = new AbortController();
  const leave = new Promise<void>((resolve) => {
    let asked = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        // Asked twice: at once.
        if (asked) hurry.abort();
        asked = true;
        resolve();
      });
    }
  });
  process.on('SIGHUP', () => void daemon.reload());
  try {
    const started = daemon.start();
    await Promise.race([started, leave]);
    await leave;
    await daemon.drain(hurry.signal);
    return 0;
  } catch (error) {
    log('error', reasonOf(error));
    return 1;
  } finally {
    await daemon.stop();
  }
}

async function check(config: NodeConfig): Promise<number> {
  const findings = await examineHost(config, commandsIn());
  for (const { what, trouble, tolerable } of findings) {
    const mark = trouble === undefined ? '✓' : tolerable ? '!' : '✗';
    print(`${mark} ${what}${trouble === undefined ? '' : `: ${trouble}`}`);
  }
  return findings.every(({ trouble, tolerable }) => trouble === undefined || tolerable) ? 0 : 1;
}

async function status(config: NodeConfig, json: boolean): Promise<number> {
  const answer = await askDaemon(config.statusSocket, 'status');
  if (answer === undefined) {
    print(json ? '{"running":false}' : 'No agent is running.');
    return 1;
  }
  print(json ? JSON.stringify(answer) : describeStatus(answer, Date.now()));
  return 0;
}

async function drain(config: NodeConfig): Promise<number> {
  const answer = await askDaemon(config.statusSocket, 'drain');
  if (answer === undefined || !isLeaving(answer)) {
    print(answer === undefined ? 'No agent is running.' : 'The agent is not serving yet: there is nothing to drain.');
    return 1;
  }
  print(
    'The node takes nothing new. When "vpn-node-agent status" counts no more peers, stop it; a restart takes it back.',
  );
  return 0;
}

async function rotate(config: NodeConfig): Promise<number> {
  const store = new FileCredentialStore(config.credentialFile);
  const stored = await store.load();
  if (stored === undefined) throw new Error('this server is no node yet: there is no credential to rotate');
  await rotateCredential(config.BACKEND_URL, store, stored);
  print('The node has another credential; the former one is void.');
  return 0;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      config: { type: 'string', default: defaultConfigFile },
      check: { type: 'boolean' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean' },
    },
  });
  const command = values.check ? 'check' : positionals.join(' ');
  if (values.version) return (print(version), 0);
  const commands: Record<string, (config: NodeConfig) => Promise<number>> = {
    run,
    check,
    status: (config) => status(config, values.json),
    drain,
    'rotate-credential': rotate,
  };
  const chosen = values.help ? undefined : commands[command];
  if (chosen === undefined) {
    print(usage);
    return values.help ? 0 : 2;
  }
  return chosen(readConfig(values.config, process.env));
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exitCode = error instanceof ConfigError ? 78 : 1;
}
