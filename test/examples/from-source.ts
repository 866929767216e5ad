/**
 * For this process `import 'grpc-verbatim'` is the source: by Node's own rules the package's name means `dist/`, and no
 * test should need a build. `package.test.ts` shows that the name works in a stranger's project.
 */
import { registerHooks } from 'node:module'

const SOURCES: ReadonlyMap<string, string> = new Map([
  ['grpc-verbatim', new URL('../../src/index.ts', import.meta.url).href],
  ['grpc-verbatim/gates', new URL('../../src/gates/index.ts', import.meta.url).href],
])

registerHooks({
  resolve: (specifier, context, next) => next(SOURCES.get(specifier) ?? specifier, context),
})
