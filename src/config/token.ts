/** The token of the admin address, in the configuration or in a file of its own. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { reasonOf } from './pem-source.ts'
import type { Finding } from './problems.ts'
import { mapOf } from './raw.ts'
import { tokenText } from './schema/admin.ts'

/**
 * @param admin as the user wrote it
 * @param seen gets the path of the file
 */
export function readToken(
  admin: unknown,
  folder: string,
  seen?: Set<string>,
): { token: string | undefined; findings: Finding[] } {
  const { token } = mapOf(admin)
  if (typeof token === 'string') return { token, findings: [] }
  const { file } = mapOf(token)
  if (typeof file !== 'string') return { token: undefined, findings: [] }
  const path = resolve(folder, file)
  seen?.add(path)
  const wrong = (message: string) => ({ token: undefined, findings: [{ path: ['admin', 'token', 'file'], message }] })
  try {
    const text = readFileSync(path, 'utf8').trim()
    const parsed = tokenText.safeParse(text)
    return parsed.success ? { token: text, findings: [] } : wrong(`the token in ${file} is too short or has spaces`)
  } catch (error) {
    return wrong(`cannot read ${path}: ${reasonOf(error)}`)
  }
}
