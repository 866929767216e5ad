/** A client and a backend in a process of their own, so that the memory under test is the proxy's alone. */
import type { AddressInfo } from 'node:net'
import { closedLoop, type LoadOptions } from '../../bench/load/closed-loop.ts'
import { answeringServer } from '../../bench/subjects/answering-server.ts'

const backend = answeringServer()
backend.listen(0, '127.0.0.1', () => process.send!({ port: (backend.address() as AddressInfo).port }))

process.on('message', async ({ port, load }: { port: number; load: LoadOptions }) => {
  await closedLoop(port, load)
  process.send!({ done: true })
})
process.on('disconnect', () => process.exit(0))
