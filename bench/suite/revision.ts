/** Another revision of this project in a folder of its own, for as long as it is needed. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UsageError } from '../../src/bench/problem.ts'
import { THIS_TREE } from '../subjects/verbatim.ts'

export interface Checkout {
  readonly folder: string
  /** The commit, short. */
  readonly commit: string
  remove(): void
}

/**
 * A worktree with this tree's packages. It is removed when the process exits, too.
 * @throws UsageError for what is no revision, or one from before `src/cli.ts`
 */
export function checkOut(revision: string): Checkout {
  const found = spawnSync('git', ['rev-parse', '--short', '--verify', '--quiet', `${revision}^{commit}`], {
    cwd: THIS_TREE,
    encoding: 'utf8',
  })
  if (found.status !== 0)
    throw new UsageError(`no revision "${revision}" in ${THIS_TREE} (as git rev-parse knows them)`)
  const commit = found.stdout.trim()
  const parent = mkdtempSync(join(tmpdir(), 'grpc-verbatim-revision-'))
  const folder = join(parent, commit)
  let removed = false
  const remove = (): void => {
    if (removed) return
    removed = true
    process.off('exit', remove)
    // The link goes first, so that removing the folder cannot reach this tree's packages.
    rmSync(join(folder, 'node_modules'), { force: true })
    spawnSync('git', ['worktree', 'remove', '--force', folder], { cwd: THIS_TREE })
    rmSync(parent, { recursive: true, force: true })
  }
  process.once('exit', remove)
  try {
    execFileSync('git', ['worktree', 'add', '--detach', '--quiet', folder, commit], { cwd: THIS_TREE, stdio: 'pipe' })
    if (!existsSync(join(folder, 'src/cli.ts')))
      throw new UsageError(`${revision} (${commit}) has no src/cli.ts to start`)
    symlinkSync(join(THIS_TREE, 'node_modules'), join(folder, 'node_modules'))
  } catch (error) {
    remove()
    throw error
  }
  return { folder, commit, remove }
}
