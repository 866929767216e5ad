/** `grpc-verbatim check`: is this configuration file good, and if not, why? */
import { loadConfig } from '../config/load.ts'
import { ConfigError, formatProblem } from '../config/problems.ts'

export function check(file: string): void {
  try {
    const { config, warnings } = loadConfig(file)
    for (const warning of warnings) console.log(formatProblem({ ...warning, message: `warning: ${warning.message}` }))
    const backends = Object.values(config.backends)
    const endpoints = backends.reduce((sum, { endpoints }) => sum + endpoints.length, 0)
    const found = [
      count(config.listeners.length, 'listener'),
      `${count(backends.length, 'backend')} with ${count(endpoints, 'endpoint')}`,
      count(config.routes.length, 'route'),
    ]
    console.log(`${file} is good: ${found.join(', ')}`)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.log(error.message)
    process.exitCode = 1
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
