import fc from 'fast-check';
import { inject } from 'vitest';

// Properties draw from the seed that the run has printed.
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: inject('seed') });
