import { createHash } from 'node:crypto';
import { dump, formsOf } from '../../dev/demo/search.js';
import { type World } from './world.js';

/** A value that a test has used, and what it is. */
type Kind = readonly [kind: string, value: string];

/** What only the one side, or only the other, may know. */
export class UsedValues {
  readonly ofPeople: Kind[] = [];
  readonly ofTraffic: Kind[] = [];

  person(kind: string, text: string): void {
    this.ofPeople.push(...allForms(kind, text, 'utf8'));
  }

  blindedToken(text: string): void {
    this.ofPeople.push(...allForms('blinded token', text, 'base64url'));
  }

  traffic(kind: string, text: string, encoding: 'base64' | 'base64url' | 'utf8'): void {
    this.ofTraffic.push(...allForms(kind, text, encoding));
  }
}

/** As it is, its bytes in three notations, and their hash in the same ones, which would betray it as well. */
function allForms(kind: string, text: string, encoding: 'base64' | 'base64url' | 'utf8'): Kind[] {
  const hash = createHash('sha256').update(Buffer.from(text, encoding)).digest('base64');
  return [
    ...formsOf(text, encoding).map((form) => [kind, form] as const),
    ...formsOf(hash, 'base64').map((form) => [`hash of ${kind}`, form] as const),
  ];
}

/** Which kinds of these values a text holds. */
export function kindsIn(text: string, values: readonly Kind[]): string[] {
  return [...new Set(values.filter(([, value]) => text.includes(value)).map(([kind]) => kind))].sort();
}

/** Everything that each side holds, logs and measures, of all replicas there ever were. */
export async function everythingHeld({ services, replicas }: World) {
  const running = await Promise.all(replicas.map((replica) => replica.metrics().catch(() => '')));
  return {
    identity: await dump(services.ownerUrl, 'identity'),
    network: await dump(services.ownerUrl, 'network'),
    logs: replicas.map((replica) => replica.log()).join('\n'),
    metrics: running.join('\n'),
  };
}
