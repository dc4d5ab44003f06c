/** A Lua script as text: vitest, tsup and test/support/register.ts load it by the rule in lua-text.ts. */
declare module '*.lua' {
  const source: string
  export default source
}
