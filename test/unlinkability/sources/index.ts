import { type Evidence } from '../evidence.js';
import { type Trace } from '../trace.js';
import { traceDatabases } from './databases.js';
import { IdentifierIndex } from './identifiers.js';
import { traceMemory } from './memory.js';
import { traceMetrics } from './metrics.js';
import { traceRedis } from './redis.js';
import { addressIndex, traceLines } from './text.js';
import { TraceCollection } from './trace-collection.js';

/**
 * Finds everything in the evidence that tells users apart, or connections. It knows no table, column, key or file by name: what
 * a later version adds is found without a change here.
 */
export async function collectTraces(evidence: Evidence): Promise<Trace[]> {
  const index = new IdentifierIndex(evidence.identifiers);
  const addresses = addressIndex(evidence.addressPseudonyms);
  const traces = new TraceCollection((ms) => evidence.toServiceTime(ms));
  // First the databases, because the index learns more identifiers from them.
  await traceDatabases(evidence.clusters, index, traces);
  for (const redis of evidence.redis) await traceRedis(redis, index, addresses, traces);
  for (const { name, text } of evidence.logs) {
    traceLines({ kind: 'log', source: name, lines: text.split('\n') }, index, addresses, traces);
  }
  for (const process of evidence.processes) {
    traceMetrics(process, index, traces);
    traceMemory(process, index, traces);
  }
  return traces.traces();
}
