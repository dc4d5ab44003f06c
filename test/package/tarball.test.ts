import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, glob, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Installed, installed } from './installed.ts'

describe('the tarball', () => {
  let application: Installed
  beforeAll(async () => {
    application = await installed()
  })
  afterAll(() => application.dispose())

  it('has what every link of its documents leads to', async () => {
    const { own } = application
    const dead: string[] = []
    let links = 0
    for await (const document of glob('**/*.md', { cwd: own })) {
      const text = (await readFile(join(own, document), 'utf8')).replace(/^ *```[\s\S]*?^ *```/gm, '')
      for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)\s#]+)[^)]*\)/g)) {
        links++
        if (!existsSync(join(own, dirname(document), target!))) dead.push(`${document}: ${target}`)
      }
    }
    expect(dead).toEqual([])
    expect(links).toBeGreaterThan(50)
  })

  it('brings examples that run where they are copied to', async () => {
    const { folder, own } = application
    await cp(join(own, 'examples'), join(folder, 'examples'), { recursive: true })
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join('examples', 'global-dispatcher.ts')],
      { cwd: folder },
    )
    expect(stdout).toContain('status 200 after 3 requests')
  })
})
