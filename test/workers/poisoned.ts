/** A primary whose workers end at once while there is a file called `poison` beside the configuration. */
import { dirname, join } from 'node:path'
import { loadConfig } from '../../src/config/load.ts'
import { Reloader } from '../../src/config/reload.ts'
import { Primary } from '../../src/workers/primary.ts'

const file = process.argv[2]!
const poison = JSON.stringify(join(dirname(file), 'poison'))
const look = `if (process.getBuiltinModule('fs').existsSync(${poison})) process.exit(9)`
const primary = new Primary(loadConfig(file), {
  execArgv: ['--import', `data:text/javascript,${encodeURIComponent(look)}`],
})
const started = primary.start()
const reloader = new Reloader(primary, { file, read: files => loadConfig(file, files), log: primary.log, started })
primary.reload = () => reloader.reload('the admin address')
await started
