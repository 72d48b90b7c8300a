import { type EntityKind } from '../trace.js';

/** A user or a connection. The index gives each entity as one object, so that sets and maps compare by identity. */
export interface Entity {
  readonly kind: EntityKind;
  readonly id: string;
}

/** Whatever an identifier may stand in: everything else is a delimiter. */
const run = /[\w+/=@.%-]{4,}/g;
const oneWord = /^[A-Za-z\d]+$/;
const hexInside = /[\da-f]{32,}/gi;

/** The parts of a run that may be an identifier, when the whole run is none, by a character that the run must have. */
const parts: readonly (readonly [needed: string, part: RegExp])[] = [
  ['-', /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/gi],
  ['@', /[\w.+-]+@[\w.-]*\w/g],
  ['=', /[^=]+/g],
  ['', /[\w-]+/g],
  ['', /[A-Za-z\d+/]+={0,2}/g],
  ['.', /[\w.-]*\w/g],
  ['', /[A-Za-z\d]+/g],
];

const uuid = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;
const hex = /^(?:[\da-f]{2}){12,}$/i;
const base64 = /^[\w+/-]{16,}={0,2}$/;
const minLength = 4;

/**
 * Finds known identifiers in any text. Bytes are found in hex, base64, base64url, and as a UUID with or without dashes,
 * whichever of these the evidence names.
 */
export class IdentifierIndex {
  private readonly entities = new Map<string, Entity>();
  private readonly byText = new Map<string, Set<Entity>>();
  private readonly byBytes = new Map<string, Set<Entity>>();
  private readonly byteLengths = new Set<number>();

  constructor(identifiers: Readonly<Record<EntityKind, ReadonlyMap<string, string>>>) {
    for (const kind of ['user', 'connection'] as const) {
      for (const [text, id] of identifiers[kind]) this.learn(text, this.entity(kind, id));
    }
  }

  entity(kind: EntityKind, id: string): Entity {
    const key = `${kind} ${id}`;
    const known = this.entities.get(key);
    if (known !== undefined) return known;
    const entity = { kind, id };
    this.entities.set(key, entity);
    return entity;
  }

  /** Adds an identifier. @returns false when it was known already */
  learn(text: string, entity: Entity): boolean {
    if (text.length < minLength) return false;
    const isNew = add(this.byText, text.toLowerCase(), entity);
    for (const bytes of bytesOf(text)) {
      add(this.byBytes, bytes, entity);
      this.byteLengths.add(bytes.length / 2);
    }
    return isNew;
  }

  /** All identifiers that are bytes, in lower-case hex, and what they name. */
  get bytes(): ReadonlyMap<string, ReadonlySet<Entity>> {
    return this.byBytes;
  }

  /** All entities that the text names, in the order in which it names them. */
  find(text: string): Set<Entity> {
    const found = new Set<Entity>();
    for (const candidate of text.match(run) ?? []) {
      if (!this.lookUp(candidate, found)) this.findInside(candidate, found);
    }
    return found;
  }

  private findInside(candidate: string, found: Set<Entity>): void {
    if (candidate.length > 32) this.lookUpAll(candidate, hexInside, found);
    if (oneWord.test(candidate)) return;
    for (const [needed, part] of parts) if (candidate.includes(needed)) this.lookUpAll(candidate, part, found);
    if (candidate.includes('%')) this.findEncoded(candidate, found);
  }

  private lookUpAll(candidate: string, part: RegExp, found: Set<Entity>): void {
    for (const inner of candidate.match(part) ?? []) {
      if (inner.length >= minLength && inner.length < candidate.length) this.lookUp(inner, found);
    }
  }

  private findEncoded(candidate: string, found: Set<Entity>): void {
    try {
      const decoded = decodeURIComponent(candidate);
      if (decoded !== candidate) for (const entity of this.find(decoded)) found.add(entity);
    } catch {
      // Not URL-encoded after all.
    }
  }

  private lookUp(candidate: string, found: Set<Entity>): boolean {
    let entities = this.byText.get(candidate.toLowerCase());
    if (entities === undefined) {
      for (const bytes of bytesOf(candidate, this.byteLengths)) entities ??= this.byBytes.get(bytes);
    }
    for (const entity of entities ?? []) found.add(entity);
    return entities !== undefined;
  }
}

function add(map: Map<string, Set<Entity>>, key: string, entity: Entity): boolean {
  const known = map.get(key);
  if (known?.has(entity) === true) return false;
  if (known === undefined) map.set(key, new Set([entity]));
  else known.add(entity);
  return true;
}

/** The bytes that a text may encode, as lower-case hex. */
function bytesOf(text: string, lengths?: ReadonlySet<number>): string[] {
  if (text.length < 16) return [];
  if (uuid.test(text)) return [text.replaceAll('-', '').toLowerCase()];
  if (hex.test(text)) return [text.toLowerCase()];
  const length = Math.floor((text.replace(/=+$/, '').length * 3) / 4);
  if (lengths?.has(length) === false || !base64.test(text)) return [];
  return [Buffer.from(text, 'base64').toString('hex')];
}
