import { type Io } from '../../packages/client/src/cli/io.js';
import { runVpn } from '../../packages/client/src/cli/program.js';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly told: string;
}

export interface VpnSetting {
  /** Where its files are. */
  readonly home: string;
  readonly gatekeeperUrl: string;
  readonly anonymizerUrl: string;
  readonly firebaseUrl: string;
  /** What is typed, in turn. */
  readonly answers?: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Of the machine, where the command does more than ask services. */
  readonly machine?: Pick<Io, 'run' | 'hasInterface'>;
  readonly fetch?: typeof globalThis.fetch | undefined;
}

const noMachine = {
  run: () => Promise.reject(new Error('it was to run no program')),
  hasInterface: () => false,
};

/** Runs `vpn` in this process. */
export async function runVpnCommand(args: readonly string[], setting: VpnSetting): Promise<Ran> {
  const { answers = [], machine = noMachine, fetch = globalThis.fetch } = setting;
  const [out, told, typed]: [string[], string[], string[]] = [[], [], [...answers]];
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
    tell: (line) => void told.push(line),
    progress: () => () => {},
    ask: async () => typed.shift() ?? '',
    ...machine,
    fetch,
  };
  const code = await runVpn(args, io);
  return { code, out: out.join('\n'), told: told.join('\n') };
}
