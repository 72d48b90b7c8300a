import { type HeapSnapshot } from './heap-snapshot.js';

/** Edges that say how V8 works, and nothing about the program's data. */
const internalEdges = new Set(
  'map __proto__ constructor prototype shared code feedback_cell scope_info dependent_code properties elements native_context extension'.split(
    ' ',
  ),
);

/** Classes that many things have, so that the path goes on to the holder of the object. */
const common = new Set(['Object', 'Array', 'Map', 'Set', 'Promise', '', 'system / Context', '(object elements)']);

/** A Map or Set and its table are one thing to the reader, and so are a function and the variables that it uses. */
const transparent = new Set(['table', 'context', 'previous']);

const maxSteps = 6;

/** Whether an edge leads from an object to data of its own. */
export function isData(heap: HeapSnapshot, edge: number): boolean {
  const type = heap.edgeTypeOf(edge);
  if (type === 'weak' || type === 'shortcut' || internalEdges.has(heap.edgeNameOf(edge))) return false;
  // V8 does not name every variable of a function. Its other hidden edges lead to its own objects.
  return type !== 'hidden' || heap.typeOf(heap.targetOf(edge)) === 'number';
}

/** Whether the owner of an edge is a list or a hash table, so that the edge's name is a position. */
export const isPosition = (heap: HeapSnapshot, edge: number) => /^\d+$/.test(heap.edgeNameOf(edge));

/** Names objects by the way to them from the nearest class, such as `IdentityCacheService.entries.entries[]`. */
export class HeapNames {
  private readonly names = new Map<number, string>();

  /** @param isIdentifier whether a text, by its position in `heap.strings`, names an entity */
  constructor(
    private readonly heap: HeapSnapshot,
    private readonly isIdentifier: (text: number) => boolean,
  ) {}

  nameOf(node: number, steps = maxSteps): string {
    const known = this.names.get(node);
    if (known !== undefined) return known;
    const name = this.findName(node, steps);
    this.names.set(node, name);
    return name;
  }

  private findName(node: number, steps: number): string {
    const { heap } = this;
    const own = heap.nameOf(node);
    if (!common.has(own)) return own;
    const edge = steps > 0 ? this.holderOf(node) : undefined;
    if (edge === undefined) return own === '' ? heap.typeOf(node) : own;
    const holder = this.nameOf(heap.ownerOf(edge), steps - 1);
    const text = heap.edgeNameIndexOf(edge);
    // An object may be a table too, with identifiers for names.
    if (isPosition(heap, edge) || (text !== undefined && this.isIdentifier(text))) return `${holder}[]`;
    const name = heap.edgeNameOf(edge);
    return transparent.has(name) ? holder : `${holder}.${name}`;
  }

  private holderOf(node: number): number | undefined {
    const { heap } = this;
    return heap.retainersOf(node).find((edge) => isData(heap, edge) && heap.typeOf(heap.ownerOf(edge)) !== 'synthetic');
  }
}
