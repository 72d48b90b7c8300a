export { type Bound } from './bounds.js';
export { judge, type Judgement, type JudgedFinding, type JudgeOptions } from './judge.js';
