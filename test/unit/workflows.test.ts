import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const workflow = (name: string): string => readFileSync(`.github/workflows/${name}.yml`, 'utf8')
const { scripts, publishConfig } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  scripts: Record<string, string>
  publishConfig: { provenance: boolean }
}

describe('the workflows', () => {
  it('have a change pass what a change has to pass, before it is released', () => {
    expect(workflow('ci')).toContain('run: .ci/run')
    expect(workflow('release')).toMatch(/uses: \.\/\.github\/workflows\/ci\.yml\n[^]*needs: check/)
  })

  it('release from where they run, with provenance', () => {
    expect(workflow('release')).toContain('publish: npm run release')
    expect(workflow('release')).toContain('id-token: write')
    expect(scripts['release']).toContain('node release-fields.ts && changeset publish')
    expect(publishConfig.provenance).toBe(true)
  })

  it.each(['ci', 'release'])('name no address: %s runs wherever the repository is', (name) => {
    expect(workflow(name)).not.toMatch(/https?:|@[\w-]+\.\w+/)
  })
})
