import { readFileSync } from 'node:fs';
import { headOf, IntegerList, type Meta, stringsOf } from './heap-snapshot-file.js';

/** What a snapshot holds of each node and edge, by number. */
interface Graph {
  readonly strings: readonly string[];
  readonly meta: Meta;
  readonly nodeTypes: Uint8Array;
  readonly nodeNames: Uint32Array;
  /** Where the edges of each node begin. */
  readonly firstEdges: Uint32Array;
  readonly edgeTypes: Uint8Array;
  readonly edgeNames: Uint32Array;
  readonly targets: Uint32Array;
  readonly owners: Uint32Array;
  /** Where the edges that lead to each node begin in `retainers`. */
  readonly firstRetainers: Uint32Array;
  readonly retainers: Uint32Array;
}

/** A heap snapshot of V8, as a graph of numbered nodes. */
export class HeapSnapshot {
  readonly nodeCount: number;
  readonly strings: readonly string[];

  private constructor(private readonly graph: Graph) {
    this.nodeCount = graph.nodeTypes.length;
    this.strings = graph.strings;
  }

  static read(file: string): HeapSnapshot {
    const bytes = readFileSync(file);
    const { meta, node_count: nodeCount, edge_count: edgeCount } = headOf(bytes);
    const fields = meta.node_fields;
    const nodes = new IntegerList(bytes, 'nodes');
    const nodeTypes = new Uint8Array(nodeCount);
    const nodeNames = new Uint32Array(nodeCount);
    const firstEdges = new Uint32Array(nodeCount + 1);
    const [type, name, count] = ['type', 'name', 'edge_count'].map((field) => fields.indexOf(field));
    for (let node = 0; node < nodeCount; node += 1) {
      for (let field = 0; field < fields.length; field += 1) {
        const value = nodes.next();
        if (field === type) nodeTypes[node] = value;
        else if (field === name) nodeNames[node] = value;
        else if (field === count) firstEdges[node + 1] = (firstEdges[node] ?? 0) + value;
      }
    }
    const edges = new IntegerList(bytes, 'edges');
    const edgeTypes = new Uint8Array(edgeCount);
    const edgeNames = new Uint32Array(edgeCount);
    const targets = new Uint32Array(edgeCount);
    for (let edge = 0; edge < edgeCount; edge += 1) {
      edgeTypes[edge] = edges.next();
      edgeNames[edge] = edges.next();
      targets[edge] = edges.next() / fields.length;
    }
    return new HeapSnapshot({
      strings: stringsOf(bytes),
      meta,
      nodeTypes,
      nodeNames,
      firstEdges,
      edgeTypes,
      edgeNames,
      targets,
      ...retainersOf(firstEdges, targets),
    });
  }

  typeOf(node: number): string {
    return this.graph.meta.node_types[0][this.graph.nodeTypes[node] ?? 0] ?? '';
  }

  /** The text of a string, the class of an object. */
  nameOf(node: number): string {
    return this.strings[this.graph.nodeNames[node] ?? 0] ?? '';
  }

  /** The position of `nameOf` in `strings`. */
  nameIndexOf(node: number): number {
    return this.graph.nodeNames[node] ?? 0;
  }

  /** The edges with one of these names, by the position of the name in `strings`. */
  *edgesNamed(names: { has(name: number): boolean }): Generator<number> {
    const isNumber = this.graph.meta.edge_types[0].map(isNumbered);
    const isWanted = this.strings.map((_, name) => names.has(name));
    for (let edge = 0; edge < this.graph.edgeTypes.length; edge += 1) {
      if (isWanted[this.graph.edgeNames[edge] ?? 0] === true && !isNumber[this.graph.edgeTypes[edge] ?? 0]) yield edge;
    }
  }

  /** The edges that leave a node, by number. */
  *edgesOf(node: number): Generator<number> {
    for (let edge = this.graph.firstEdges[node] ?? 0; edge < (this.graph.firstEdges[node + 1] ?? 0); edge += 1)
      yield edge;
  }

  edgeCountOf(node: number): number {
    return (this.graph.firstEdges[node + 1] ?? 0) - (this.graph.firstEdges[node] ?? 0);
  }

  /** The edges that lead to a node, by number. */
  retainersOf(node: number): Uint32Array {
    return this.graph.retainers.subarray(this.graph.firstRetainers[node], this.graph.firstRetainers[node + 1]);
  }

  edgeTypeOf(edge: number): string {
    return this.graph.meta.edge_types[0][this.graph.edgeTypes[edge] ?? 0] ?? '';
  }

  /** The name of a property, or the position of an element. */
  edgeNameOf(edge: number): string {
    const name = this.graph.edgeNames[edge] ?? 0;
    return isNumbered(this.edgeTypeOf(edge)) ? String(name) : (this.strings[name] ?? '');
  }

  /** The position of `edgeNameOf` in `strings`; undefined for an element. */
  edgeNameIndexOf(edge: number): number | undefined {
    return isNumbered(this.edgeTypeOf(edge)) ? undefined : this.graph.edgeNames[edge];
  }

  targetOf(edge: number): number {
    return this.graph.targets[edge] ?? 0;
  }

  ownerOf(edge: number): number {
    return this.graph.owners[edge] ?? 0;
  }
}

const isNumbered = (edgeType: string) => edgeType === 'element' || edgeType === 'hidden';

/** For each node, the edges that lead to it. */
function retainersOf(firstEdges: Uint32Array, targets: Uint32Array) {
  const nodeCount = firstEdges.length - 1;
  const firstRetainers = new Uint32Array(nodeCount + 1);
  for (const target of targets) firstRetainers[target + 1] = (firstRetainers[target + 1] ?? 0) + 1;
  for (let node = 0; node < nodeCount; node += 1) {
    firstRetainers[node + 1] = (firstRetainers[node + 1] ?? 0) + (firstRetainers[node] ?? 0);
  }
  const next = firstRetainers.slice();
  const retainers = new Uint32Array(targets.length);
  const owners = new Uint32Array(targets.length);
  for (let node = 0; node < nodeCount; node += 1) {
    for (let edge = firstEdges[node] ?? 0; edge < (firstEdges[node + 1] ?? 0); edge += 1) {
      owners[edge] = node;
      const target = targets[edge] ?? 0;
      const place = next[target] ?? 0;
      retainers[place] = edge;
      next[target] = place + 1;
    }
  }
  return { owners, firstRetainers, retainers };
}
