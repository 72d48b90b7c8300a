import { type Problem } from '../trace.js';
import { type FastRandom } from './fast-random.js';

export type Half = 0 | 1;

/** Users of one class and one half. Only members of a group change places in a permuted truth. */
interface Group {
  readonly half: Half;
  /** Positions in `candidates`. */
  readonly members: readonly number[];
  /** For each member, the place in `members` that each permuted truth gives it. */
  readonly permutations: readonly Uint16Array[];
}

/**
 * A problem, with numbers in place of names. `asked` and `candidates` number connections and possible answers. A user here is a
 * right answer: when renewals are chained, that is the older connection.
 */
export interface Cohort {
  readonly problem: Problem;
  readonly candidates: readonly string[];
  readonly asked: readonly string[];
  /** For each asked connection: its right answer. */
  readonly answers: Int32Array;
  /** For each asked connection: the candidate that is this same connection, or −1. No connection continues itself. */
  readonly selves: Int32Array;
  /** For each asked connection: the half of its user. */
  readonly halves: Uint8Array;
  readonly groups: readonly Group[];
  /** For each candidate: its group, or −1 if it is no right answer, and its place in the group. */
  readonly groupOf: Int32Array;
  readonly placeOf: Int32Array;
}

/**
 * Divides the users of each class into two halves at random. A matcher that learns does so on one half and is judged on the other.
 */
export function cohortOf(problem: Problem, permutations: number, random: FastRandom): Cohort {
  const candidates = [...new Set(problem.candidates)];
  const position = new Map(candidates.map((name, index) => [name, index]));
  const asked = [...problem.truth.keys()];
  const answers = Int32Array.from(asked, (connection) => {
    const answer = position.get(problem.truth.get(connection) ?? '');
    if (answer === undefined)
      throw new Error(`Problem "${problem.name}": the right answer for ${connection} is no candidate. Add it.`);
    return answer;
  });

  const groupOf = new Int32Array(candidates.length).fill(-1);
  const placeOf = new Int32Array(candidates.length).fill(-1);
  const groups: Group[] = [];
  for (const members of classesOf(problem, candidates, answers))
    for (const [half, part] of divide(members, random).entries()) {
      for (const [place, member] of part.entries()) {
        groupOf[member] = groups.length;
        placeOf[member] = place;
      }
      groups.push({
        half: half === 0 ? 0 : 1,
        members: part,
        permutations: permute(part.length, permutations, random),
      });
    }

  return {
    problem,
    candidates,
    asked,
    answers,
    selves: Int32Array.from(asked, (connection) => position.get(connection) ?? -1),
    halves: Uint8Array.from(answers, (answer) => groups[groupOf[answer]!]!.half),
    groups,
    groupOf,
    placeOf,
  };
}

/** The right answers of each class. */
function classesOf(problem: Problem, candidates: readonly string[], answers: Int32Array): number[][] {
  const classes = new Map<string, number[]>();
  for (const answer of new Set(answers)) {
    const name = problem.classes.get(candidates[answer]!);
    if (name === undefined)
      throw new Error(`Problem "${problem.name}": the right answer ${candidates[answer]} has no class. Add it.`);
    const members = classes.get(name) ?? [];
    members.push(answer);
    classes.set(name, members);
  }
  return [...classes.values()];
}

/** A class with an odd number of users has the extra one in either half. */
function divide(members: readonly number[], random: FastRandom): [number[], number[]] {
  const shuffled = random.shuffle([...members]);
  const middle = Math.floor((shuffled.length + random.integer(2)) / 2);
  return [shuffled.slice(0, middle), shuffled.slice(middle)];
}

function permute(size: number, permutations: number, random: FastRandom): Uint16Array[] {
  const byMember = Array.from({ length: size }, () => new Uint16Array(permutations));
  const places = Uint16Array.from({ length: size }, (_, place) => place);
  for (let round = 0; round < permutations; round++) {
    random.shuffle(places);
    for (let member = 0; member < size; member++) byMember[member]![round] = places[member]!;
  }
  return byMember;
}
