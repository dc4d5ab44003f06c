import tseslint from 'typescript-eslint'

/**
 * The rooms of src/. They do not import each other: they meet in call/ and in the files of the root. A client of a
 * provider is built on the client room.
 */
const rooms = ['retry', 'circuit', 'dead-letter', 'timeout', 'classification', 'client', 'providers', 'cli']
const mayImport = {
  providers: ['client', 'retry', 'circuit', 'dead-letter', 'classification'],
  cli: ['circuit', 'dead-letter'],
}

const roomRules = rooms.map((room) => ({
  files: [`src/${room}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            group: rooms
              .filter((other) => other !== room && !(mayImport[room] ?? []).includes(other))
              .flatMap((other) => [`../${other}/**`, `../../${other}/**`]),
            message: 'Rooms do not import each other: they meet in call/ or in resilience.ts.',
          },
          ...(room === 'cli'
            ? []
            : [
                {
                  group: ['**/stores/sqlite/**', '**/stores/redis/**', '**/sqlite.ts', '**/redis.ts'],
                  message: 'A feature owns its port; stores/ implement it and are handed in.',
                },
              ]),
        ],
      },
    ],
  },
}))

export default tseslint.config(
  { ignores: ['dist', 'coverage', 'node_modules', '**/*.mjs', '*.js'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['*.config.ts'] } } },
    rules: {
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
    files: ['src/call/**/*.ts', 'src/telemetry/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: rooms.map((room) => `../${room}/**`), message: 'The front desk knows no room.' },
          ],
        },
      ],
    },
  },
  {
    // Decisions: facts in, decision out. Time and chance are passed in.
    files: [
      'src/retry/{decision,backoff}.ts',
      'src/call/{outcome,retry-after,redacted-url}.ts',
      'src/circuit/{machine,window,policy}.ts',
      'src/dead-letter/{redaction,record,lifecycle,filter,retention}.ts',
    ],
    rules: {
      'no-restricted-globals': ['error', 'setTimeout', 'setInterval', 'setImmediate', 'performance'],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'Pass the time in.' },
        { object: 'Math', property: 'random', message: 'Pass chance in.' },
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts', 'demo/**/*.ts'],
    rules: {
      '@typescript-eslint/explicit-module-boundary-types': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-floating-promises': 'off',
    },
  },
  {
    // A port of promises: an async method turns a throw into a rejection, also where the store itself is synchronous.
    files: ['src/stores/**/*.ts'],
    rules: { '@typescript-eslint/require-await': 'off' },
  },
  ...roomRules,
)
