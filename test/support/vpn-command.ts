import { type Io } from '../../packages/client/src/cli/io.js';
import { runVpn } from '../../packages/client/src/cli/program.js';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly messages: string;
}

export interface VpnSetting {
  /** The folder of the command's files. */
  readonly home: string;
  readonly gatekeeperUrl: string;
  readonly anonymizerUrl: string;
  readonly firebaseUrl: string;
  /** The user's answers to the command's questions, in order. */
  readonly answers?: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** A fake machine, for commands that run programs. */
  readonly machine?: Pick<Io, 'run' | 'hasInterface'>;
  readonly fetch?: typeof globalThis.fetch | undefined;
}

const noMachine = {
  run: () => Promise.reject(new Error('the command must not run a program')),
  hasInterface: () => false,
};

/** Runs `vpn` in this process. */
export async function runVpnCommand(args: readonly string[], setting: VpnSetting): Promise<Ran> {
  const { answers = [], machine = noMachine, fetch = globalThis.fetch } = setting;
  const [out, messages, remaining]: [string[], string[], string[]] = [[], [], [...answers]];
  const io: Io = {
    env: {
      VPN_HOME: setting.home,
      VPN_GATEKEEPER_URL: setting.gatekeeperUrl,
      VPN_ANONYMIZER_URL: setting.anonymizerUrl,
      VPN_FIREBASE_API_KEY: 'any',
      VPN_FIREBASE_URL: setting.firebaseUrl,
      ...setting.env,
    },
    print: (line) => void out.push(line),
    log: (line) => void messages.push(line),
    progress: () => () => {},
    ask: async () => remaining.shift() ?? '',
    ...machine,
    fetch,
  };
  const code = await runVpn(args, io);
  return { code, out: out.join('\n'), messages: messages.join('\n') };
}
