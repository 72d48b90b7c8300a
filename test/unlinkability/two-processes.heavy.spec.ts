import { checkShape } from './shape-checks.js';

checkShape('split');
