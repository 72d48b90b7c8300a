import { type Namespace } from '../../dev/lab/namespaces.js';
import { commandRunner, type Run } from '../../packages/node-agent/src/command.js';

const run = commandRunner();

/** Runs programs as the agent does, but on a machine of the lab. */
export function commandsOn({ name }: Namespace): Run {
  return (program, args, options) => run('ip', ['netns', 'exec', name, program, ...args], options);
}
