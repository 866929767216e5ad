/** From a configuration that is resolved to a proxy. */
import { createLogger } from '../observe/logger.ts'
import { VerbatimProxy } from '../proxy/proxy.ts'
import type { GrpcProxy } from './grpc-proxy.ts'
import { formatProblem } from './problems.ts'
import type { Resolution } from './resolve.ts'

/** Logs the warnings, too. */
export function openProxy({ config, warnings }: Resolution): GrpcProxy {
  const logger = config.logger ?? createLogger(config.log)
  for (const warning of warnings) logger.warn(formatProblem(warning))
  return new VerbatimProxy({ ...config, logger })
}
