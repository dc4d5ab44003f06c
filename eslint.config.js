import tseslint from 'typescript-eslint'

/** Rooms of src/ do not import each other: they meet in call/ and in resilience.ts. */
const rooms = ['retry', 'circuit', 'dead-letter', 'timeout', 'client', 'providers', 'cli']
const roomRules = rooms.map((room) => ({
  files: [`src/${room}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            group: rooms
              .filter((other) => other !== room)
              .filter((other) => !(meets[room] ?? []).includes(other))
              .map((other) => `../${other}/**`),
            message: 'Rooms do not import each other: meet in call/ or in resilience.ts.',
          },
          {
            group: ['../stores/**'],
            message: 'A feature owns its port; stores/ implement it. Only index.ts, resilience.ts and the command line name a store.',
          },
        ],
      },
    ],
  },
}))

export default tseslint.config(
  { ignores: ['dist', 'coverage', 'node_modules'] },
  ...tseslint.configs.recommendedTypeChecked,
  { languageOptions: { parserOptions: { project: './tsconfig.json' } } },
)
