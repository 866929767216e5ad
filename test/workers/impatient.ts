/** A primary that ends a worker that has not answered for a second or two. */
import { loadConfig } from '../../src/config/load.ts'
import { Primary } from '../../src/workers/primary.ts'

await new Primary(loadConfig(process.argv[2]!), { hungAfterLooks: 1 }).start()
