import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/*
 * Remote calls from the lab to a child process on another machine, over Node's IPC channel.
 */

interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

type Methods = Readonly<Record<string, (...args: never[]) => unknown>>;

/** A child's methods, as the parent calls them. */
export type Remote<T extends Methods> = {
  readonly [K in keyof T]: (...args: Parameters<T[K]>) => Promise<Awaited<ReturnType<T[K]>>>;
};

/** In the child: answers calls until the parent ends. */
export function serve(methods: Methods): void {
  process.on('message', ({ id, method, args }: Call) => void answer(methods, id, method, args));
  process.on('disconnect', () => process.exit());
  process.send?.({ id: 0 } satisfies Answer);
}

async function answer(methods: Methods, id: number, method: string, args: readonly unknown[]): Promise<void> {
  try {
    process.send?.({ id, result: await methods[method]?.(...(args as never[])) } satisfies Answer);
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) } satisfies Answer);
  }
}

/** In the parent: resolves when the child is ready for calls. */
export async function remoteOf<T extends Methods>(child: ChildProcess): Promise<Remote<T>> {
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  child.on('message', (message: Answer) => {
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  });
  child.on('exit', () => waiting.forEach((settle, id) => settle({ id, error: 'the process has ended' })));
  await once(child, 'message');
  const call = async (method: string, args: readonly unknown[]): Promise<unknown> => {
    const id = ++last;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    waiting.set(id, resolve);
    child.send({ id, method, args } satisfies Call);
    const { result, error } = await promise;
    if (error !== undefined) throw new Error(error);
    return result;
  };
  return new Proxy({} as Remote<T>, {
    // Without `then`, so that `await` does not treat it as a promise.
    get: (_, method) => (method === 'then' ? undefined : (...args: unknown[]) => call(String(method), args)),
  });
}
