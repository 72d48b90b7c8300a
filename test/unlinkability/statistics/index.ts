export { judge, type Judgement, type JudgedFinding } from './judge.js';
