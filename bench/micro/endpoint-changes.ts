/**
 * What a change of one endpoint of many costs the event loop: `node bench/micro/endpoint-changes.ts [--endpoints N]
 * [--rounds N]`. By `setEndpoints` of a proxy with real options, and through a file that a backend follows.
 *
 * It tells the CPU time of the loop's thread, as wall time tells more of what else the machine does. The first change is told
 * apart: it is made by code that was not compiled yet.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { alignedLines } from '../../src/bench/columns.ts'
import { createProxy, type EndpointOptions, type GrpcProxy, type ProxyOptions } from '../../src/index.ts'

const { values } = parseArgs({ options: { endpoints: { type: 'string' }, rounds: { type: 'string' } } })
const ENDPOINTS = Number(values.endpoints ?? 10_000)
const ROUNDS = Number(values.rounds ?? 20)
/** A file is read when it has rested for 100 ms. */
const FILE_MS = 400

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!

/** In Node 22 the whole process, with what collects garbage beside the loop. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage?.() ?? process.cpuUsage()
  return (user + system) / 1_000
}

function urlOf(i: number): string {
  return `http://10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:50051`
}

const full = (i: number): EndpointOptions => ({ address: urlOf(i), weight: 1 + (i % 3), locality: `zone-${i % 3}` })

/** One in the middle is another one in each round. */
function listOf(round: number, entryOf: (i: number) => EndpointOptions): EndpointOptions[] {
  const half = ENDPOINTS >> 1
  return Array.from({ length: ENDPOINTS }, (_, i) => entryOf(i === half ? ENDPOINTS + round : i))
}

type Backend = NonNullable<ProxyOptions['backends']>[string]
const ROWS: string[][] = [['way', 'CPU ms, median', 'CPU ms, first']]

async function measure(
  name: string,
  backend: Backend,
  prepare: (round: number) => (proxy: GrpcProxy) => Promise<void>,
) {
  const proxy = createProxy({ backends: { fleet: backend } })
  await wait(FILE_MS)
  const costs: number[] = []
  for (let round = 1; round <= ROUNDS; round++) {
    const change = prepare(round)
    await wait(20)
    const before = cpuMs()
    await change(proxy)
    costs.push(cpuMs() - before)
  }
  await proxy.close()
  ROWS.push([name, ...[median(costs), costs[0]!].map(ms => ms.toFixed(1))])
}

async function inCode(name: string, backend: Backend, entryOf: (i: number) => EndpointOptions): Promise<void> {
  await measure(`setEndpoints: ${name}`, { ...backend, endpoints: listOf(0, entryOf) }, round => {
    const list = listOf(round, entryOf)
    return async proxy => {
      proxy.backend('fleet').setEndpoints(list)
      // The list of the balancer is made at the end of the turn.
      await wait(5)
    }
  })
}

async function inFile(
  name: string,
  textOf: (list: readonly EndpointOptions[]) => string,
  entryOf = full,
): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'endpoint-changes-'))
  const file = path.join(folder, 'endpoints')
  writeFileSync(file, textOf(listOf(0, entryOf)))
  await measure(`file: ${name}`, { source: { file } }, round => {
    writeFileSync(`${file}.new`, textOf(listOf(round, entryOf)))
    return async () => {
      renameSync(`${file}.new`, file)
      await wait(FILE_MS)
    }
  })
  rmSync(folder, { recursive: true })
}

const yamlOf = (list: readonly EndpointOptions[]) =>
  list.map(entry => (typeof entry === 'string' ? `- ${entry}` : `- ${JSON.stringify(entry)}`)).join('\n')

await inCode('addresses', {}, urlOf)
await inCode('weights and localities', { locality: { own: 'zone-1' } }, full)
await inCode('least-request', { balancer: 'least-request' }, full)
await inCode('ring-hash', { balancer: { kind: 'ring-hash', key: 'authority' } }, urlOf)
await inCode('subset of 20', { subset: {} }, urlOf)
await inFile('YAML, addresses', yamlOf, urlOf)
await inFile('YAML, weights and localities', yamlOf)
await inFile('JSON, weights and localities', list => JSON.stringify(list))
console.log(`Node ${process.version}, 1 of ${ENDPOINTS} endpoints is another one, ${ROUNDS} rounds`)
for (const line of alignedLines(ROWS)) console.log(line)
