/** A certificate by tls-alpn-01 for a proxy of several processes: an authority may come to any of them. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import t from 'tap'
import { authority, json, NAME } from '../acme/authority.ts'
import { until } from '../support/until.ts'
import { serve } from './rig.ts'

const WORKERS = 2
const ASKED = 6

/** What a client is shown that offers this protocol. */
async function shown(socket: Socket, protocol: string): Promise<string> {
  const secure = tls.connect({ socket, servername: NAME, ALPNProtocols: [protocol], rejectUnauthorized: false })
  try {
    await once(secure, 'secureConnect')
    const certificate = secure.getPeerX509Certificate()!
    return `${secure.alpnProtocol} ${certificate.checkHost(NAME)} ${certificate.serialNumber}`
  } catch (error) {
    return (error as Error).message
  } finally {
    secure.destroy()
  }
}

t.test('every worker shows the proof while it is asked for, and then the certificate', async t => {
  let address = ''
  let proven = false
  const answers: string[] = []
  let load: number[] = []
  const tcp = async () => {
    const socket = connect(Number(address.split(':')[1]), '127.0.0.1')
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    return socket
  }
  const ca = await authority(t, origin => {
    const url = (path: string) => `${origin()}${path}`
    const challenge = () => ({ type: 'tls-alpn-01', url: url('/challenge'), token: 'token-1', status: 'pending' })
    return {
      '/new': response =>
        json(response, { status: 'pending', authorizations: [url('/authorization')] }, 201, {
          location: url('/order'),
        }),
      '/authorization': response => {
        const status = proven ? 'valid' : 'pending'
        json(response, { status, identifier: { type: 'dns', value: NAME }, challenges: [challenge()] })
      },
      '/challenge': async response => {
        // All are there before the first handshake, so that each worker has some of them.
        const sockets = await Promise.all(Array.from({ length: ASKED }, tcp))
        load = await loads()
        answers.push(...(await Promise.all(sockets.map(socket => shown(socket, 'acme-tls/1')))))
        proven = true
        json(response, challenge())
      },
    }
  })
  const folder = t.testdir()
  writeFileSync(join(folder, 'ca.pem'), ca.ca)
  const served = await serve(
    t,
    `
workers: ${WORKERS}
listeners:
  - address: 127.0.0.1:0
    tls:
      acme:
        domains: [${NAME}]
        agreeToTerms: true
        storage: FOLDER/acme
        directory: ${ca.directory}
        ca: ${join(folder, 'ca.pem')}
backends: { main: { endpoints: ["127.0.0.1:1"] } }`,
  )
  const loads = async () => [...(await served.metrics('grpc_verbatim_worker_connections{')).values()]
  address = served.address
  const said = () => served.lines().map(({ msg }) => String(msg))
  await until(
    'there is a certificate',
    () => said().some(msg => msg.startsWith('there is a certificate for')),
    () => said().join('\n'),
  )
  t.equal(load.length, WORKERS)
  t.ok(
    load.every(connections => connections > 0),
    `each was asked: ${load}`,
  )
  t.equal(answers.length, ASKED)
  t.match(answers[0], new RegExp(`^acme-tls/1 ${NAME} `))
  t.equal(new Set(answers).size, 1, answers.join('\n'))
  await until(
    'it is used by all',
    () => said().some(msg => msg.startsWith('files of certificates have changed')),
    () => said().join('\n'),
  )
  const sockets = await Promise.all(Array.from({ length: ASKED }, tcp))
  const later = new Set(await Promise.all(sockets.map(socket => shown(socket, 'h2'))))
  t.equal(later.size, 1, [...later].join('\n'))
  t.match([...later][0], new RegExp(`^h2 ${NAME} `))
  t.notMatch(await shown(await tcp(), 'acme-tls/1'), 'acme-tls/1 ', 'the proof is shown no more')
})
