// What is checked beside the layout, which is prettier's. Run by `npm run lint`, a stage of the test command.
import js from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/', 'build/', 'docs/api/', 'docs/examples/', 'node_modules/', '.tap/', 'eslint.config.mjs'] },
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  { files: ['**/*.mjs'], languageOptions: { globals: { process: 'readonly', console: 'readonly' } } },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './src/status-page/browser/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      // Non-null is said by `!`, and only that way.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/non-nullable-type-assertion-style': 'error',
      // Numbers in texts are what most errors are about.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // `() => call()` is our way to write a callback, whatever call returns.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // An index signature is read by name where names are protocol words: noPropertyAccessFromIndexSignature is off.
      '@typescript-eslint/dot-notation': 'error',
      // Limits and interfaces with nothing to do are written as empty functions.
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/require-await': 'off',
      // tsc says it, and knows `_`.
      '@typescript-eslint/no-unused-vars': 'off',
      // Flags like `closed` change while a listener or a getter runs, and the rule believes that nothing does.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // Closures are taken out of records here (`({ close }) => close()`); none of them has a `this`.
      '@typescript-eslint/unbound-method': 'off',
      // `until<void>(...)`, and what a fuzz target may answer.
      '@typescript-eslint/no-invalid-void-type': 'off',
      // Reads `instanceof` of a stand-in as a mistake.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // What is thrown here is an Error, by only-throw-error.
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'off',
      // An environment is an object whose keys come and go.
      '@typescript-eslint/no-dynamic-delete': 'off',
      // An empty variable of the environment is as good as none.
      '@typescript-eslint/prefer-nullish-coalescing': ['error', { ignorePrimitives: { string: true } }],
      // `() => void (a && b())` says that nothing comes of it.
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // Control characters are what printable() looks for.
      'no-control-regex': 'off',
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // Texts of failures, and what a child process printed as JSON.
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/restrict-plus-operands': 'off',
      // A tap test that is not awaited is run, and counted, by tap itself.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', name: ['test', 'teardown', 'resolves', 'rejects'], package: '@tapjs/core' },
            { from: 'package', name: ['test'], package: '@tapjs/test' },
            { from: 'package', name: ['test'], package: 'tap' },
          ],
        },
      ],
    },
  },
);
