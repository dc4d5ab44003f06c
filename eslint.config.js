import importX from 'eslint-plugin-import-x'
import tseslint from 'typescript-eslint'

/**
 * Who may import whom in src/: a room sees itself, and the folders named here. Rooms of features do not see each other:
 * they meet in call/, in the leaves, and in the files of the root. Adapters of stores see the ports that they implement.
 */
const leaves = ['http', 'time']
const shared = [...leaves, 'call', 'telemetry']
const sees = {
  http: [],
  time: [],
  telemetry: [...leaves],
  call: [...leaves, 'telemetry'],
  retry: shared,
  'rate-limit': shared,
  bulkhead: shared,
  circuit: shared,
  'dead-letter': shared,
  timeout: shared,
  classification: shared,
  client: [...shared, 'retry', 'circuit', 'rate-limit', 'dead-letter', 'timeout'],
  stores: [...shared, 'circuit', 'rate-limit', 'dead-letter'],
  sinks: [...shared, 'dead-letter'],
  operations: [...shared, 'circuit', 'rate-limit', 'dead-letter', 'stores'],
  testing: [...shared, 'circuit', 'rate-limit', 'dead-letter'],
  cli: [...shared, 'circuit', 'rate-limit', 'dead-letter', 'stores', 'operations'],
  providers: [...shared, 'client', 'retry', 'circuit', 'rate-limit', 'dead-letter', 'classification'],
}

/** Files of the root that hold no room's rule, so that every room may use them. */
const openFiles = [
  './errors.ts',
  './runtime.ts',
  './options.ts',
  './checks.ts',
  './unknown-option.ts',
  './store.ts',
]
const mayUseTheRoot = ['client', 'sinks', 'operations', 'cli', 'providers']

const zones = Object.entries(sees).flatMap(([room, seen]) => [
  {
    target: `./src/${room}`,
    from: './src',
    except: [
      ...openFiles,
      ...(mayUseTheRoot.includes(room)
        ? ['./resilience.ts', './replay.ts', './stack', './entries', './index.ts', './with-call-options.ts']
        : []),
      ...[room, ...seen].map((folder) => `./${folder}`),
    ],
    message: 'Rooms meet in call/, in http/ and time/, or in resilience.ts (see ARCHITECTURE.md).',
  },
])

/** Facts in, decision out: time and chance are passed in. */
const pure = {
  'no-restricted-globals': [
    'error',
    'setTimeout',
    'setInterval',
    'setImmediate',
    'queueMicrotask',
    'performance',
    'process',
    'fetch',
  ],
  'no-restricted-properties': [
    'error',
    { object: 'Date', property: 'now', message: 'Pass the time in.' },
    { object: 'Math', property: 'random', message: 'Pass chance in.' },
  ],
}

export default tseslint.config(
  // the examples with frameworks are of packages that only test/consumers installs
  { ignores: ['dist', 'coverage', 'node_modules', 'examples/frameworks', '**/*.mjs', '**/*.cjs', '*.js'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    plugins: { 'import-x': importX },
    settings: {
      'import-x/extensions': ['.ts'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
    },
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['*.config.ts'] } } },
    rules: {
      curly: ['error', 'multi-line'],
      'import-x/no-duplicates': ['error', { 'prefer-inline': true }],
      'import-x/no-cycle': 'error',
      'import-x/order': [
        'error',
        {
          groups: ['builtin', 'external', 'parent', 'sibling', 'index'],
          'newlines-between': 'never',
          alphabetize: { order: 'asc', caseInsensitive: true },
          // the package itself, as examples see it: the same whether it was built or not
          pathGroups: [{ pattern: 'undici-resilience{,/**}', group: 'external' }],
          pathGroupsExcludedImportTypes: [],
        },
      ],
      'import-x/no-restricted-paths': ['error', { zones }],
      'no-restricted-syntax': [
        'error',
        {
          selector:
            'BinaryExpression[operator="instanceof"][right.name=/^(Error|TypeError|RangeError|SyntaxError|DOMException)$/]',
          message:
            'Under Jest an error of Node itself is of another realm: ask `isError` of errors.ts, or for its name.',
        },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/only-throw-error': [
        'error',
        { allowThrowingAny: true, allowThrowingUnknown: true },
      ],
      // it calls assertions needless that tsc needs (exactOptionalPropertyTypes, unions of undici's)
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
      // an abort's reason may be anything, and is passed on as it is
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
    },
  },
  {
    files: [
      'src/http/**/*.ts',
      'src/circuit/machine/**/*.ts',
      'src/dead-letter/record/**/*.ts',
      'src/dead-letter/store/**/*.ts',
      'src/**/{decision,backoff}.ts',
      'src/rate-limit/{ramp,sliding-window,place}.ts',
      'src/bulkhead/admission.ts',
    ],
    rules: pure,
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts'],
    rules: {
      '@typescript-eslint/explicit-module-boundary-types': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-floating-promises': 'off',
      'no-restricted-syntax': 'off',
    },
  },
  {
    // A port of promises: an async method turns a throw into a rejection, also where the store itself is synchronous.
    files: ['src/stores/**/*.ts', 'src/dead-letter/local/**/*.ts'],
    rules: { '@typescript-eslint/require-await': 'off' },
  },
)
