/** What a listener has for browsers, with the folder whose files they get. */
import { statSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'
import type { ListenerSetup } from '../proxy/setup.ts'
import { reasonOf } from './pem-source.ts'
import type { Finding } from './problems.ts'
import { listOf, mapOf } from './raw.ts'
import { webSettings } from './schema/web.ts'
import type { ListenerConfig } from './schema.ts'

export function webOf(web: ListenerConfig['web'], folder: string): Pick<ListenerSetup, 'web'> {
  if (web === undefined || web === false) return {}
  if (web === true) return { web: webSettings.parse({}) }
  const { static: files, ...rules } = web
  return { web: files === undefined ? rules : { ...rules, static: resolve(folder, files) } }
}

/** @param root as the user wrote it. @param folder of the configuration */
export function checkWebFolders(root: Readonly<Record<string, unknown>>, folder: string): Finding[] {
  return listOf(root.listeners).flatMap((listener, i): Finding[] => {
    const { static: files } = mapOf(mapOf(listener).web)
    if (typeof files !== 'string' || files === '') return []
    const path = ['listeners', i, 'web', 'static']
    const served = resolve(folder, files)
    const wrong = whyNotServed(served)
    if (wrong !== undefined) return [{ path, message: wrong }]
    return holds(served, folder) ? [{ path, message: `${served} ${OWN}`, warning: true }] : []
  })
}

const OWN = 'holds the folder of this configuration: everybody gets what lies there, keys and tokens too'

/** @returns undefined: there is such a folder */
function whyNotServed(folder: string): string | undefined {
  try {
    return statSync(folder).isDirectory() ? undefined : `${folder} is not a folder`
  } catch (error) {
    return `the folder ${folder} cannot be used: ${reasonOf(error)}`
  }
}

function holds(folder: string, other: string): boolean {
  const [first] = relative(folder, other).split(sep)
  return first !== '..'
}
