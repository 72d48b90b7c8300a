/**
 * Load balancing by "the power of two choices": pick two nodes at random, and use the less loaded one.
 *
 * Always using the least loaded node would send every client to the same node until its next pulse reports a higher load.
 * Picking one node at random lets the fullest node grow log n / log log n above the mean. With two random choices every node
 * stays within log log n of the mean, even though load reports are seconds old (Mitzenmacher, "The Power of Two Choices in
 * Randomized Load Balancing", 2001). The cost is the same for ten and for ten thousand nodes.
 */
export interface NodeLoad {
  readonly id: string;
  /** Maximum number of connections. */
  readonly capacity: number;
  /** Load of the machine as reported by the last pulse, 0 to 100. */
  readonly currentLoad: number;
  /** Number of its connections, as far as this process knows. */
  live: number;
}

/** Returns a uniformly random integer from 0 to `below` − 1. */
export type RandomIndex = (below: number) => number;

const randomIndex: RandomIndex = (below) => Math.floor(Math.random() * below);

/** From 0 (idle) to 1 (full): the higher of the machine's load and the share of slots in use. */
export function loadOf({ currentLoad, live, capacity }: NodeLoad): number {
  return Math.max(currentLoad / 100, live / capacity);
}

export function hasRoom({ live, capacity }: NodeLoad): boolean {
  return live < capacity;
}

/** The nodes of one location that take connections. Picking and removing take constant time. */
export class NodePool<Node extends NodeLoad> {
  private readonly nodes: Node[] = [];
  private readonly positions = new Map<string, number>();

  constructor(private readonly random: RandomIndex = randomIndex) {}

  get size(): number {
    return this.nodes.length;
  }

  add(node: Node): void {
    this.positions.set(node.id, this.nodes.push(node) - 1);
  }

  /** Moves the last node into the free position. */
  remove(id: string): void {
    const position = this.positions.get(id);
    const last = this.nodes.at(-1);
    if (position === undefined || last === undefined) return;
    this.nodes[position] = last;
    this.positions.set(last.id, position);
    this.nodes.pop();
    this.positions.delete(id);
  }

  /**
   * Picks two different nodes at random, the less loaded one first; fewer when the pool has fewer.
   *
   * @param exclude id of a node that must not be picked
   */
  pick(exclude?: string): [] | [Node] | [Node, Node] {
    const excludedAt = exclude === undefined ? undefined : this.positions.get(exclude);
    const choices = this.nodes.length - (excludedAt === undefined ? 0 : 1);
    // Indices count without the excluded node: from its position on, they are off by one.
    const at = (index: number) =>
      this.nodes[excludedAt !== undefined && index >= excludedAt ? index + 1 : index] as Node;
    if (choices <= 0) return [];
    const first = this.random(choices);
    if (choices === 1) return [at(first)];
    const other = this.random(choices - 1);
    const pair: [Node, Node] = [at(first), at(other >= first ? other + 1 : other)];
    return loadOf(pair[1]) < loadOf(pair[0]) ? [pair[1], pair[0]] : pair;
  }
}
