/**
 * Which node a connection goes to: of two drawn at random, the less loaded one.
 *
 * Always taking the least loaded sends everyone to the same node until the next pulse tells that it is full; taking one at
 * random lets the fullest grow log n / log log n above the mean. Two random choices keep every node within log log n of the
 * mean, although what is known about the load is seconds old (Mitzenmacher, "The Power of Two Choices in Randomized Load
 * Balancing", 2001), and cost the same in a fleet of ten and of ten thousand.
 */
export interface Loadable {
  readonly id: string;
  /** Most connections it takes. */
  readonly capacity: number;
  /** What its last pulse said, 0 to 100. */
  readonly currentLoad: number;
  /** Connections it has, as far as this process knows. */
  live: number;
}

/** A whole number from 0 to `below` − 1, each as likely. */
export type RandomIndex = (below: number) => number;

const randomIndex: RandomIndex = (below) => Math.floor(Math.random() * below);

/** From 0, idle, to 1, full: whichever of machine and address space is nearer to its limit. */
export function loadOf({ currentLoad, live, capacity }: Loadable): number {
  return Math.max(currentLoad / 100, live / capacity);
}

export function hasRoom({ live, capacity }: Loadable): boolean {
  return live < capacity;
}

/** The nodes of one location that take connections. Drawing and removing take the same time however many there are. */
export class NodePool<Node extends Loadable> {
  private readonly nodes: Node[] = [];
  private readonly positions = new Map<string, number>();

  constructor(private readonly random: RandomIndex = randomIndex) {}

  get size(): number {
    return this.nodes.length;
  }

  add(node: Node): void {
    this.positions.set(node.id, this.nodes.push(node) - 1);
  }

  /** The last one takes its place. */
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
   * Two different nodes drawn at random, the less loaded one first; fewer when there are fewer.
   *
   * @param exclude a node that must not be drawn
   */
  draw(exclude?: string): [] | [Node] | [Node, Node] {
    const skipped = exclude === undefined ? undefined : this.positions.get(exclude);
    const choices = this.nodes.length - (skipped === undefined ? 0 : 1);
    // Drawn from a list without the excluded node, which is this list with everything from its place on moved up by one.
    const at = (index: number) => this.nodes[skipped !== undefined && index >= skipped ? index + 1 : index] as Node;
    if (choices <= 0) return [];
    const first = this.random(choices);
    if (choices === 1) return [at(first)];
    const other = this.random(choices - 1);
    const pair: [Node, Node] = [at(first), at(other >= first ? other + 1 : other)];
    return loadOf(pair[1]) < loadOf(pair[0]) ? [pair[1], pair[0]] : pair;
  }
}
