import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import ts from 'typescript';

/** The role of a class, which is part of its file name: `checkout.store.ts` holds `CheckoutStore`. */
const roles = ['channel', 'client', 'controller', 'filter', 'guard', 'module', 'service', 'store'];

/** Classes that Nest creates. In a module each has a role; in platform and prisma a class may be named for what it is. */
const made = new Set(['Injectable', 'Controller', 'Module', 'Catch']);
const platform = /^src\/(crypto|logger|platform|prisma)\//;

const pascal = (kebab: string) => kebab.replace(/(^|-)(\w)/g, (_, __, letter: string) => letter.toUpperCase());

interface FoundClass {
  readonly name: string;
  readonly isExported: boolean;
  readonly isMade: boolean;
}

function classesOf(text: string): FoundClass[] {
  const source = ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest);
  return source.statements.filter(ts.isClassDeclaration).map((declaration) => {
    const modifiers = declaration.modifiers ?? ts.factory.createNodeArray();
    const decorators = (ts.getDecorators(declaration) ?? []).map(({ expression }) => nameOf(expression));
    return {
      name: declaration.name?.text ?? '',
      isExported: modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword),
      isMade: decorators.some((name) => made.has(name)),
    };
  });
}

function nameOf(decorator: ts.Expression): string {
  const callee = ts.isCallExpression(decorator) ? decorator.expression : decorator;
  return ts.isIdentifier(callee) ? callee.text : '';
}

/** The problem with the name of a file or of a class in it; undefined when there is none. */
function misnamed(file: string, text: string): string | undefined {
  const [stem = '', role = ''] = (file.split('/').at(-1) ?? '').replace(/\.ts$/, '').split('.');
  const exported = classesOf(text).filter(({ isExported }) => isExported);
  if (role === '') {
    const one = exported.find(({ isMade }) => isMade);
    if (one === undefined || platform.test(file)) return undefined;
    return `${file}: ${one.name} is made by Nest, so its file says what it is for: x.service.ts, x.store.ts, …`;
  }
  if (role === 'schema') return undefined;
  if (!roles.includes(role)) return `${file}: expected one of ${roles.join(', ')} before .ts`;
  const expected = pascal(`${stem}-${role}`);
  const names = exported.filter(({ isMade, name }) => isMade || pascal(role) === name.slice(-role.length));
  if (names.length > 0 && names.every(({ name }) => name === expected)) return undefined;
  // Platform may keep the class of each side in one file.
  if (platform.test(file) && names.every(({ name }) => name.endsWith(pascal(role)))) return undefined;
  return `${file}: expected the class ${expected}, found ${names.map(({ name }) => name).join(', ') || 'none'}`;
}

describe('file and class names', () => {
  it('agree, and end in their role', () => {
    const files = globSync('src/**/*.ts').filter((file) => !/\.spec\.ts$|\/generated\//.test(file));
    expect(files.length).toBeGreaterThan(200);
    expect(files.flatMap((file) => misnamed(file, readFileSync(file, 'utf8')) ?? [])).toEqual([]);
  });

  it.each([
    [
      'src/payment/checkout.service.ts',
      '@Injectable() export class Checkouts {}',
      'expected the class CheckoutService',
    ],
    ['src/nodes/fleet.ts', '@Injectable() export class Fleet {}', 'is made by Nest'],
    ['src/nodes/node.health.ts', 'export class NodeHealth {}', 'expected one of'],
    ['src/nodes/node.store.ts', 'export const rows = 1;', 'expected the class NodeStore, found none'],
  ])('refuses %s with %s', (file, text, problem) => {
    expect(misnamed(file, text)).toContain(problem);
  });

  it.each([
    ['src/payment/checkout.service.ts', '@Injectable() export class CheckoutService {}'],
    ['src/payment/apple/apple.client.ts', 'export class AppleDataError {}\nexport class AppleClient {}'],
    ['src/nodes/load-balancing.ts', 'export class NodePool {}'],
    ['src/platform/redis/gatekeeper-redis.ts', '@Injectable() export class GatekeeperRedis {}'],
  ])('allows %s with %s', (file, text) => {
    expect(misnamed(file, text)).toBeUndefined();
  });
});
