/** Configurations that are read as if from one folder. */
import type { ProxyOptions } from '../../src/config/options.ts'
import { ConfigError } from '../../src/config/problems.ts'
import { type Resolution, resolveConfig } from '../../src/config/resolve.ts'

export const FOLDER = '/etc/proxy'
export const resolve = (input: ProxyOptions): Resolution => resolveConfig(input, { folder: FOLDER })

/** What is wrong with it: `path: message`, a line each. */
export function problems(input: unknown): string[] {
  try {
    resolveConfig(input, { folder: FOLDER })
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, message }) => `${path}: ${message}`)
    throw error
  }
  return []
}
