#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { commandRunner } from './command.js';
import { ConfigError, defaultConfigFile, type NodeConfig, readConfig } from './daemon/config.js';
import { Daemon, reasonOf } from './daemon/daemon.js';
import { log } from './daemon/log.js';
import { FileCredentialStore } from './daemon/private-files.js';
import { checkHost } from './daemon/host-check.js';
import { queryDaemon } from './daemon/status-socket.js';
import { describeStatus, isLeaving } from './daemon/status-page.js';
import { version } from './daemon/version.js';
import { rotateCredential } from './rotate-credential.js';

const usage = `vpn-node-agent ${version}: runs this server as a node of the VPN

  vpn-node-agent run                 run until SIGTERM, then drain and exit; SIGHUP checks and repairs everything now
  vpn-node-agent --check             check whether this host has all that a node needs
  vpn-node-agent status [--json]     show the status of the running agent
  vpn-node-agent drain               accept no new connections until the agent restarts; existing ones stay
  vpn-node-agent rotate-credential   replace the node's credential; the running agent picks up the new one

  --config FILE   settings file (default ${defaultConfigFile}); environment variables override it
`;

async function run(config: NodeConfig): Promise<number> {
  const daemon = new Daemon(config, log);
  const skipDrain = new AbortController();
  const stopRequested = new Promise<void>((resolve) => {
    let requested = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        // A second signal ends the drain.
        if (requested) skipDrain.abort();
        requested = true;
        resolve();
      });
    }
  });
  process.on('SIGHUP', () => void daemon.reload());
  try {
    const started = daemon.start();
    await Promise.race([started, stopRequested]);
    await stopRequested;
    await daemon.drain(skipDrain.signal);
    return 0;
  } catch (error) {
    log('error', reasonOf(error));
    return 1;
  } finally {
    await daemon.stop();
  }
}

async function check(config: NodeConfig): Promise<number> {
  const findings = await checkHost(config, commandRunner());
  for (const { name, problem, isWarning } of findings) {
    const mark = problem === undefined ? '✓' : isWarning ? '!' : '✗';
    print(`${mark} ${name}${problem === undefined ? '' : `: ${problem}`}`);
  }
  return findings.every(({ problem, isWarning }) => problem === undefined || isWarning) ? 0 : 1;
}

async function status(config: NodeConfig, json: boolean): Promise<number> {
  const answer = await queryDaemon(config.statusSocket, 'status');
  if (answer === undefined) {
    print(json ? '{"running":false}' : 'No agent is running.');
    return 1;
  }
  print(json ? JSON.stringify(answer) : describeStatus(answer, Date.now()));
  return 0;
}

async function drain(config: NodeConfig): Promise<number> {
  const answer = await queryDaemon(config.statusSocket, 'drain');
  if (answer === undefined || !isLeaving(answer)) {
    print(
      answer === undefined ? 'No agent is running.' : 'The agent is not serving yet, so there is nothing to drain.',
    );
    return 1;
  }
  print(
    'The node accepts no new connections. Stop it when "vpn-node-agent status" shows 0 peers. A restart ends the drain.',
  );
  return 0;
}

async function rotate(config: NodeConfig): Promise<number> {
  const store = new FileCredentialStore(config.credentialFile);
  const stored = await store.load();
  if (stored === undefined) throw new Error('This server is not registered as a node yet. Start the agent first.');
  await rotateCredential(config.BACKEND_URL, store, stored);
  print('The node has a new credential. The old one is revoked.');
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
