import { globSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, it } from 'vitest'

/** Seconds; on a busy machine a minute. */
const TIMEOUT_MS = 300_000

const root = join(import.meta.dirname, '..', '..')
const source = join(root, 'src')

/** Every option that a user may leave out, of everything that the package exports: whether it also takes `undefined`. */
class GivenOptions {
  readonly refused = new Set<string>()
  readonly #program: ts.Program
  readonly #checker: ts.TypeChecker
  readonly #seen = new Set<ts.Type>()
  looked = 0

  constructor() {
    const { sys } = ts
    const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => sys.readFile(path)) as {
      config: object
    }
    const { options } = ts.parseJsonConfigFileContent(config.config, sys, root)
    const entries = globSync(['index.ts', 'entries/*.ts', 'providers/*.ts', 'providers/presets/*.ts'], {
      cwd: source,
    })
    const files = entries.map((entry) => join(source, entry))
    this.#program = ts.createProgram(files, options)
    this.#checker = this.#program.getTypeChecker()
    for (const file of files) this.#lookAtExports(this.#program.getSourceFile(file)!)
  }

  #lookAtExports(file: ts.SourceFile): void {
    const module = this.#checker.getSymbolAtLocation(file)
    for (const symbol of module === undefined ? [] : this.#checker.getExportsOfModule(module)) {
      const target = symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol
      if ((target.flags & ts.SymbolFlags.Value) === 0) continue
      const type = this.#checker.getTypeOfSymbol(target)
      for (const made of [...type.getCallSignatures(), ...type.getConstructSignatures()]) {
        this.#lookAtParameters(made)
        for (const member of this.#checker.getPropertiesOfType(made.getReturnType())) {
          if (!isOurs(member)) continue
          for (const call of this.#checker.getTypeOfSymbol(member).getCallSignatures()) {
            this.#lookAtParameters(call)
          }
        }
      }
    }
  }

  #lookAtParameters(signature: ts.Signature): void {
    for (const parameter of signature.getParameters()) this.#look(this.#checker.getTypeOfSymbol(parameter))
  }

  #look(type: ts.Type): void {
    if (this.#seen.has(type)) return
    this.#seen.add(type)
    if (type.isUnionOrIntersection()) for (const part of type.types) this.#look(part)
    const item = this.#checker.getIndexTypeOfType(type, ts.IndexKind.Number)
    if (item !== undefined) this.#look(item)
    if ((type.flags & ts.TypeFlags.Object) === 0 || type.getCallSignatures().length > 0) return
    for (const property of this.#checker.getPropertiesOfType(type)) {
      if (!isOurs(property)) continue
      const [declaration] = property.declarations ?? []
      if (declaration === undefined || !ts.isPropertySignature(declaration)) continue
      const given = this.#checker.getTypeOfSymbol(property)
      this.#look(given)
      if ((property.flags & ts.SymbolFlags.Optional) === 0) continue
      this.looked += 1
      if (!this.#takesUndefined(declaration)) {
        const { parent } = declaration
        const owner = ts.isInterfaceDeclaration(parent) ? parent.name.text : '{}'
        this.refused.add(
          `${owner}.${property.name} ${declaration.getSourceFile().fileName.slice(source.length + 1)}`,
        )
      }
    }
  }

  /** The declared type: the checker adds `undefined` to that of what may be left out. */
  #takesUndefined({ type: node, questionToken }: ts.PropertySignature): boolean {
    if (node === undefined || questionToken === undefined) return false
    const type = this.#checker.getTypeFromTypeNode(node)
    const flags = ts.TypeFlags.Undefined | ts.TypeFlags.Any | ts.TypeFlags.Unknown
    return (type.isUnion() ? type.types : [type]).some((part) => (part.flags & flags) !== 0)
  }
}

function isOurs({ declarations = [] }: ts.Symbol): boolean {
  return declarations.some((declaration) => declaration.getSourceFile().fileName.startsWith(source))
}

it(
  'every option that may be left out may also be undefined: `logger: verbose ? console : undefined`',
  { timeout: TIMEOUT_MS },
  () => {
    const options = new GivenOptions()
    expect(options.looked).toBeGreaterThan(200)
    expect([...options.refused].sort()).toEqual([])
  },
)
