/** The backend of the measurements, in windows that do not hold anybody up. */
import type { AddressInfo } from 'node:net'
import { answeringServer } from './answering-server.ts'
import { reportToParent } from './report.ts'

const server = answeringServer({
  maxSessionMemory: 1000,
  settings: { initialWindowSize: 1_048_576, maxConcurrentStreams: 1000 },
})
server.on('session', session => session.setLocalWindowSize(16_777_216))
server.listen(0, '127.0.0.1', () => reportToParent((server.address() as AddressInfo).port))
