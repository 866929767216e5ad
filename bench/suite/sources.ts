/** Who makes the calls and who answers them: h2load and nghttpd where they are installed, or else our own. */
import { spawnSync } from 'node:child_process'

export interface Sources {
  readonly load: 'own' | 'h2load'
  readonly backend: 'own' | 'nghttpd'
}

/** Where each program is found on Debian. */
export const SOURCE_INSTALLS = {
  h2load: 'apt-get install nghttp2-client',
  nghttpd: 'apt-get install nghttp2-server',
} as const

export type SourceProgram = keyof typeof SOURCE_INSTALLS

/** The version that it says; undefined where it is not installed. */
export function versionOf(program: SourceProgram): string | undefined {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' })
  return status === 0 ? stdout.trim().split('\n')[0] : undefined
}

/**
 * @param asked the sources to use in any case, where a scenario can
 * @throws RangeError for what is asked for and not here
 */
export function chooseSources(asked: Partial<Sources>, has: (program: SourceProgram) => boolean): Sources {
  for (const program of [asked.load, asked.backend]) {
    if (program === undefined || program === 'own' || has(program)) continue
    throw new RangeError(`${program} is not here: ${SOURCE_INSTALLS[program]}`)
  }
  return {
    load: asked.load ?? (has('h2load') ? 'h2load' : 'own'),
    backend: asked.backend ?? (has('nghttpd') ? 'nghttpd' : 'own'),
  }
}
