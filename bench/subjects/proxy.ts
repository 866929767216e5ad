/** This project's proxy as it is listened on. Arguments: backend URL, transport of both sides, JSON of further options. */
import { createProxy, type ProxyOptions } from '../../src/index.ts'
import { reportToParent } from './report.ts'

const [, , backend, name, more] = process.argv
const transport = name === 'native' ? 'native' : 'frames'
const options: ProxyOptions = {
  backends: { main: { endpoints: [backend!], transport } },
  log: { level: 'silent' },
  ...(more === undefined ? {} : JSON.parse(more)),
}
const proxy = createProxy(options)
const { port } = await proxy.listen({ host: '127.0.0.1', port: 0, transport })
reportToParent(port)
