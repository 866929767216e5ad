/** This project's proxy as it is listened on. Arguments: backend URL, then JSON of further options. */
import { createProxy, type ProxyOptions } from '../../src/index.ts'
import { reportToParent } from './report.ts'

const [, , backend, more] = process.argv
const options: ProxyOptions = {
  backends: { main: { endpoints: [backend!] } },
  log: { level: 'silent' },
  ...(more === undefined ? {} : JSON.parse(more)),
}
const proxy = createProxy(options)
const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
reportToParent(port)
