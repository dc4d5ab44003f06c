import { globSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, it } from 'vitest'

/** Minutes on a busy machine, and seconds on another: it compiles the sources some twenty times. */
const TIMEOUT_MS = 300_000

const root = join(import.meta.dirname, '..', '..')

/** Compiles the sources, of which one may be given another text. */
class Sources {
  readonly #options: ts.CompilerOptions
  readonly #service: ts.LanguageService
  readonly #changed = new Map<string, { version: number; text: string | undefined }>()

  constructor() {
    const { sys } = ts
    const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => sys.readFile(path)) as {
      config: object
    }
    this.#options = ts.parseJsonConfigFileContent(config.config, sys, root).options
    const files = globSync('src/**/*.ts', { cwd: root }).map((file) => join(root, file))
    this.#service = ts.createLanguageService({
      getScriptFileNames: () => files,
      getScriptVersion: (file) => String(this.#changed.get(file)?.version ?? 0),
      getScriptSnapshot: (file) => {
        const text = this.#changed.get(file)?.text ?? sys.readFile(file)
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
      },
      getCurrentDirectory: () => root,
      getCompilationSettings: () => this.#options,
      getDefaultLibFileName: (options) => ts.getDefaultLibFilePath(options),
      fileExists: (path) => sys.fileExists(path),
      readFile: (path, encoding) => sys.readFile(path, encoding),
      directoryExists: (path) => sys.directoryExists(path),
      getDirectories: (path) => sys.getDirectories(path),
    })
  }

  ast(file: string): ts.SourceFile {
    return this.#service.getProgram()!.getSourceFile(file)!
  }

  errorsOf(file: string, text?: string): string[] {
    this.#changed.set(file, { version: (this.#changed.get(file)?.version ?? 0) + 1, text })
    return this.#service
      .getSemanticDiagnostics(file)
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
  }
}

interface Row {
  readonly table: string
  readonly name: string
  /** Rows of another table are spread before it: it may stand over one of them. */
  readonly mayOverride: boolean
  readonly from: number
  readonly to: number
}

/** The last row of each table of checks; those of a spread are another table's. */
function lastRowsOf(file: ts.SourceFile): Row[] {
  const rows: Row[] = []
  file.forEachChild((statement) => {
    if (!ts.isVariableStatement(statement)) return
    for (const { name, type, initializer } of statement.declarationList.declarations) {
      if (type?.getText(file).startsWith('Checks<') !== true) continue
      // one that is made of another table is checked there
      if (initializer === undefined || !ts.isObjectLiteralExpression(initializer)) continue
      const row = initializer.properties.findLast(ts.isPropertyAssignment)
      if (row === undefined) continue
      rows.push({
        table: name.getText(file),
        name: row.name.getText(file),
        mayOverride: initializer.properties.some(ts.isSpreadAssignment),
        from: row.pos,
        to: row.end,
      })
    }
  })
  return rows
}

it(
  'a table of checks that forgets an option does not compile',
  () => {
    const sources = new Sources()
    const tables: string[] = []
    for (const relative of globSync('src/**/*.ts', { cwd: root })) {
      const path = join(root, relative)
      const file = sources.ast(path)
      const { text } = file
      for (const { table, name, mayOverride, from, to } of lastRowsOf(file)) {
        tables.push(table)
        expect(sources.errorsOf(path)).toEqual([])
        // a comma that is left behind would be another error
        const rest = text.slice(to).replace(/^\s*,/, '')
        const errors = sources.errorsOf(path, text.slice(0, from) + rest)
        const isOther = errors.every((error) => error.endsWith('is declared but its value is never read.'))
        if (mayOverride && isOther) {
          sources.errorsOf(path)
          continue
        }
        expect(errors.join('\n'), `${relative}: ${table} without ${name}`).toMatch(
          new RegExp(`\\b${name}\\b`),
        )
        sources.errorsOf(path)
      }
    }
    expect(tables).toEqual(
      expect.arrayContaining([
        'retryChecks',
        'circuitChecks',
        'deadLetterChecks',
        'redactChecks',
        'inspectBodyChecks',
        'timeoutChecks',
        'resilienceChecks',
        'callChecks',
      ]),
    )
  },
  TIMEOUT_MS,
)
