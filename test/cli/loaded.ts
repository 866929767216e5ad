/**
 * For `--import`: when the process ends it says on standard error, as JSON, which packages, parts of Node and sources of
 * endpoints it loaded.
 */
import { writeSync } from 'node:fs'
import { registerHooks } from 'node:module'

const packages = new Set<string>()

registerHooks({
  load(url, context, next) {
    const name = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]
    const ours =
      /\/src\/((?:discovery|workers)\/\w+|cli\/service-manager|observe\/(?:metric-exporter|otlp-metrics)|web\/web-stream|transport\/http1\/server)\.ts$/.exec(
        url,
      )?.[1]
    for (const one of [name, ours]) if (one !== undefined) packages.add(one)
    return next(url, context)
  },
})

process.on('exit', () => {
  const { moduleLoadList } = process as unknown as { moduleLoadList: string[] }
  const builtins = moduleLoadList.map(entry => /^NativeModule (\w+)$/.exec(entry)?.[1]).filter(Boolean)
  writeSync(2, JSON.stringify([...packages, ...builtins]))
})
