import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** The only file that may read the machine's clock. All other code uses a `Clock`, so that tests can set the time. */
const clockFile = 'src/platform/config/clock.ts';

const timeMessage =
  'Inject a Clock (src/platform/config/clock.ts) instead of reading the time, so that tests can set it.';

export default tseslint.config(
  { ignores: ['**/dist/**', 'coverage/**', 'src/prisma/generated/**', '**/node_modules/**'] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      '@typescript-eslint/require-await': 'off',
      'max-lines': ['error', { max: 320, skipBlankLines: true, skipComments: true }],
      'no-console': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: [clockFile, '**/*.spec.ts'],
    rules: {
      'no-restricted-properties': ['error', { object: 'Date', property: 'now', message: timeMessage }],
      'no-restricted-syntax': [
        'error',
        { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: timeMessage },
        { selector: 'CallExpression[callee.name="Date"]', message: timeMessage },
      ],
    },
  },
  {
    files: ['admin', 'dev', 'bench', 'test', 'packages/fake-providers'].map((folder) => `${folder}/**/*.ts`),
    rules: { 'no-console': 'off' },
  },
  { files: ['**/*.js', '**/*.mjs', '**/*.gen.ts'], ...tseslint.configs.disableTypeChecked },
  // A file named on the command line may be a generated one.
  { files: ['**/*.gen.ts'], rules: { 'max-lines': 'off' } },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly', setTimeout: 'readonly' } },
    rules: { 'no-console': 'off' },
  },
);
