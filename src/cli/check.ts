/** `grpc-verbatim check`: is this configuration file good, and if not, why? */
import type { BackendSetup } from '../backend/fleet.ts'
import { loadConfig } from '../config/load.ts'
import { ConfigError, formatProblem } from '../config/problems.ts'
import { FileSetup } from '../config/source.ts'

export async function check(file: string): Promise<void> {
  try {
    const { config, warnings } = loadConfig(file)
    for (const warning of warnings) console.log(formatProblem({ ...warning, message: `warning: ${warning.message}` }))
    const backends = Object.values(config.backends)
    const found = [
      count(config.listeners.length, 'listener'),
      `${count(backends.length, 'backend')} with ${count(await endpointsOf(backends, file), 'endpoint')}`,
      count(config.routes.length, 'route'),
    ]
    console.log(`${file} is good: ${found.join(', ')}`)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.log(error.message)
    process.exitCode = 1
  }
}

/** @throws ConfigError for files with endpoints that cannot be used */
async function endpointsOf(backends: readonly BackendSetup[], file: string): Promise<number> {
  const problems: ConfigError['problems'][number][] = []
  let sum = 0
  for (const { name, endpoints, source } of backends) {
    sum += endpoints.length
    if (!(source instanceof FileSetup)) continue
    try {
      sum += await source.count()
    } catch (error) {
      problems.push({ file, path: `backends.${name}.source.file`, message: (error as Error).message })
    }
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return sum
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
