/** A browser for tests, where there is one. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** The path of Debian's, of Chrome, or what `CHROMIUM` says. Undefined: there is none on this machine. */
export function chromiumPath(): string | undefined {
  const { CHROMIUM, PATH = '' } = process.env
  if (CHROMIUM !== undefined) return CHROMIUM
  return PATH.split(delimiter)
    .flatMap(folder => NAMES.map(name => join(folder, name)))
    .find(existsSync)
}

/** In a container there is often no namespace left for Chromium's own sandbox. It loads nothing but pages of tests. */
export const IN_CONTAINER = ['--no-sandbox', '--disable-dev-shm-usage']
