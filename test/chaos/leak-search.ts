import { createHash } from 'node:crypto';
import { dump, formsOf } from '../../dev/demo/search.js';
import { type Cluster } from './cluster.js';

/** One encoding of a value that the test has used, and a label that says what the value is. */
type LabelledValue = readonly [label: string, value: string];

/** Collects every value that only one side may know. */
export class UsedValues {
  readonly identityValues: LabelledValue[] = [];
  readonly networkValues: LabelledValue[] = [];

  addIdentityValue(label: string, text: string): void {
    this.identityValues.push(...allEncodings(label, text, 'utf8'));
  }

  addBlindedToken(text: string): void {
    this.identityValues.push(...allEncodings('blinded token', text, 'base64url'));
  }

  addNetworkValue(label: string, text: string, encoding: 'base64' | 'base64url' | 'utf8'): void {
    this.networkValues.push(...allEncodings(label, text, encoding));
  }
}

/** The text itself, its bytes in three encodings, and its SHA-256 hash in the same encodings: a hash is a leak too. */
function allEncodings(label: string, text: string, encoding: 'base64' | 'base64url' | 'utf8'): LabelledValue[] {
  const hash = createHash('sha256').update(Buffer.from(text, encoding)).digest('base64');
  return [
    ...formsOf(text, encoding).map((form) => [label, form] as const),
    ...formsOf(hash, 'base64').map((form) => [`hash of ${label}`, form] as const),
  ];
}

/** The labels of the values that a text contains, sorted. */
export function labelsFoundIn(text: string, values: readonly LabelledValue[]): string[] {
  return [...new Set(values.filter(([, value]) => text.includes(value)).map(([label]) => label))].sort();
}

/** Dumps both databases and collects the logs and metrics of all replicas. A replica that was killed has no metrics. */
export async function collectData({ services, replicas }: Cluster) {
  const metrics = await Promise.all(replicas.map((replica) => replica.metrics().catch(() => '')));
  return {
    identity: await dump(services.ownerUrl, 'identity'),
    network: await dump(services.ownerUrl, 'network'),
    logs: replicas.map((replica) => replica.log()).join('\n'),
    metrics: metrics.join('\n'),
  };
}
