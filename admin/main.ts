import { loadLocalEnvironment } from './local-environment.js';
import { explain, operatorProgram } from './program.js';

/** `npm run admin -- …` */
try {
  loadLocalEnvironment();
  await operatorProgram().parseAsync();
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}
