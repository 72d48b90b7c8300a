/** Logs an event of this agent in one line. Never logs anything about a peer. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  counts?: Readonly<Record<string, number>>,
) => void;

/** JSON lines on standard output. */
export const log: Log = (level, message, counts = {}) => {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...counts })}\n`);
};
