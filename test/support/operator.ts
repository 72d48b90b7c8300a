import { vi } from 'vitest';
import { explain, operatorProgram } from '../../admin/program.js';

/** Runs the operator's command. @returns what it prints, or its error message */
export async function operate(...args: string[]): Promise<string> {
  const lines: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
  try {
    await operatorProgram().parseAsync(args, { from: 'user' });
    return lines.join('\n');
  } catch (error) {
    return explain(error);
  } finally {
    log.mockRestore();
  }
}
