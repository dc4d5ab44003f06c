import { describe, expect, it } from 'vitest'
import { releaseFields } from '../../release-fields.ts'

const fields = {
  repository: { type: 'git', url: 'git+https://git.example.com/team/project.git' },
  homepage: 'https://git.example.com/team/project#readme',
  bugs: { url: 'https://git.example.com/team/project/issues' },
}

describe('the fields of a release', () => {
  it.each([
    'https://git.example.com/team/project',
    'https://git.example.com/team/project.git\n',
    'https://user:secret@git.example.com/team/project.git',
    'git@git.example.com:team/project.git',
    'ssh://git@git.example.com:2222/team/project.git',
    'git://git.example.com/team/project/',
  ])('are made of %s', (remote) => {
    expect(releaseFields(remote)).toEqual(fields)
  })

  it.each(['', '/srv/git/project.git', 'file:///srv/git/project.git', 'https://git.example.com/'])(
    'are not made of %j, which is the address of no repository',
    (remote) => {
      expect(() => releaseFields(remote)).toThrow('the remote must be the address of a repository')
    },
  )
})
