/** Sockets that systemd has opened: real processes, started as systemd starts them, by Python. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import http2 from 'node:http2'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Scope } from '../support/teardown.ts'
import { CLI, type Running, startProgram } from './run.ts'

/**
 * Opens sockets from descriptor 3 on, tells them as sd_listen_fds(3) says, and becomes the program.
 * Arguments: what to open (`tcp`, `udp`, or the path of a unix socket), LISTEN_FDNAMES, then the command.
 */
const ACTIVATE = `
import os, socket, sys
wanted, names, command = sys.argv[1].split(','), sys.argv[2], sys.argv[3:]
fds = []
for what in wanted:
    family = socket.AF_UNIX if what.startswith('/') else socket.AF_INET
    one = socket.socket(family, socket.SOCK_DGRAM if what == 'udp' else socket.SOCK_STREAM)
    one.bind(what if what.startswith('/') else ('127.0.0.1', 0))
    if what != 'udp': one.listen(128)
    fds.append(os.dup(one.detach()))
spare = [os.dup(fd) for fd in fds]
for i, fd in enumerate(spare): os.dup2(fd, 100 + i)
for i in range(len(fds)): os.dup2(100 + i, 3 + i)
os.closerange(3 + len(fds), 200)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))
if names != '-': os.environ['LISTEN_FDNAMES'] = names
os.execv(command[0], command)
`
const skip = spawnSync('python3', ['--version']).status !== 0 && 'there is no python3 to be systemd'

function activate(t: Scope, sockets: string, names: string, ...args: string[]): Running {
  return startProgram(t, 'python3', '-c', ACTIVATE, sockets, names, process.execPath, CLI, 'serve', ...args)
}

/** Whether a proxy answers there. */
function answers(address: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = address.startsWith('/')
      ? net.connect(address)
      : net.connect(Number(address.split(':').at(-1)), '127.0.0.1')
    const client = http2.connect('http://localhost', { createConnection: () => socket })
    client.once('remoteSettings', () => {
      client.destroy()
      resolve(true)
    })
    client.once('error', () => resolve(false))
  })
}

t.test('it listens on the sockets that its configuration names, and on no other', { skip }, async t => {
  const folder = t.testdir({
    'proxy.yaml': JSON.stringify({
      listeners: [{ address: 'fd:local' }, { address: 'fd:web' }],
      backends: { main: { endpoints: ['127.0.0.1:1'] } },
      admin: { address: 'fd:admin' },
    }),
  })
  // A path in the folder of the test may be too long for a socket.
  const short = mkdtempSync(join(tmpdir(), 'verbatim-fd-'))
  t.teardown(() => rmSync(short, { recursive: true }))
  const path = join(short, 'local.sock')
  const proxy = activate(t, `tcp,${path},tcp,tcp`, 'web:local:admin:other', '--config', join(folder, 'proxy.yaml'))
  const [, admin] = await proxy.output(/admin address (127\.0\.0\.1:\d+)/)
  await proxy.output(/listening on fd:local/)
  const [, web] = await proxy.output(/listening on (127\.0\.0\.1:\d+)/)
  t.equal(await answers(web!), true)
  t.equal(await answers(path), true)
  t.equal((await fetch(`http://${admin}/ready`)).status, 200)
  await proxy.output(/"socket":"fd:other","msg":"the socket fd:other was open .* it is closed"/)
  proxy.child.kill('SIGTERM')
  t.match(await proxy.exit, { code: 0, stderr: '' })
  t.equal(existsSync(path), true, 'the socket is still that of systemd')
})

t.test('without names they have the numbers of their descriptors', { skip }, async t => {
  const proxy = activate(t, 'tcp,tcp', '-', '--listen', 'fd:4', '--listen', 'fd:3', '--backend', '127.0.0.1:1')
  const [, one] = await proxy.output(/listening on (127\.0\.0\.1:\d+)/)
  t.equal(await answers(one!), true)
  proxy.child.kill('SIGTERM')
  t.match(await proxy.exit, { code: 0, stderr: '' })
})

t.test('a socket that was not given, and one that is none to accept from, are sentences', { skip }, async t => {
  const listen = (name: string) => ['--listen', `fd:${name}`, '--backend', '127.0.0.1:1']
  const absent = await activate(t, 'tcp', 'web', ...listen('other')).exit
  t.match(absent, {
    code: 1,
    stderr: /^grpc-verbatim: cannot listen on fd:other: the process was not started with a socket/,
  })
  const datagrams = await activate(t, 'udp', 'web', ...listen('web')).exit
  t.match(datagrams, { code: 1, stderr: /^grpc-verbatim: cannot listen on fd:web: it is not a stream socket/ })
})

t.test('sockets that are for another process are left alone', { skip }, async t => {
  const environment = ['env', 'LISTEN_PID=1', 'LISTEN_FDS=1', 'LISTEN_FDNAMES=web']
  const args = [process.execPath, CLI, 'serve', '--listen', 'fd:web', '--backend', '127.0.0.1:1']
  t.match(await startProgram(t, environment[0]!, ...environment.slice(1), ...args).exit, {
    code: 1,
    stderr: /was not started with/,
  })
})
