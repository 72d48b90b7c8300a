import fc from 'fast-check';
import { inject } from 'vitest';

// fast-check uses the seed that the global set-up has printed.
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: inject('seed') });
