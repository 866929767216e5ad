/** `grpc-verbatim demo`: see `../demo`. */
import { DemoError, runDemo } from '../demo/demo.ts'
import { drainOnSignals } from './signals.ts'

export async function demo(): Promise<void> {
  try {
    drainOnSignals(await runDemo())
  } catch (error) {
    if (!(error instanceof DemoError)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}
