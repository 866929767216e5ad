/** From gates as a configuration has them to functions. What a gate has learnt stays while its definition stays. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { JSONWebKeySet } from 'jose'
import { apiKeys } from '../gates/api-keys.ts'
import { authorization } from '../gates/authorization.ts'
import type { CallKeys } from '../gates/call-key.ts'
import { certificate } from '../gates/certificate.ts'
import { claims } from '../gates/claims.ts'
import { concurrency } from '../gates/concurrency.ts'
import { type FaultOptions, faults } from '../gates/faults.ts'
import { type GlobalRateLimitOptions, globalRateLimit } from '../gates/global-rate-limit.ts'
import { jwt } from '../gates/jwt.ts'
import { network } from '../gates/network.ts'
import { rateLimit } from '../gates/rate-limit.ts'
import { PassedCounts, RunningCounts, type SharedCounts } from '../gates/shared-counts.ts'
import type { GatesSetup, ProxySetup } from '../proxy/setup.ts'
import { allOf, anyOf, type Gate, NAMELESS, named } from '../routing/gate.ts'
import type { GateOptions, RequirementOptions } from './options/gates.ts'
import { reasonOf } from './pem-source.ts'
import type { Finding, Path } from './problems.ts'
import { isMap, mapOf } from './raw.ts'

/** The keys of issuers that stand in files, by the gate's name. */
export type KeyFiles = ReadonlyMap<string, JSONWebKeySet>

/** @param seen gets the path of each file */
export function readKeyFiles(
  gates: unknown,
  folder: string,
  seen?: Set<string>,
): { files: KeyFiles; findings: Finding[] } {
  const files = new Map<string, JSONWebKeySet>()
  const findings: Finding[] = []
  for (const [name, gate] of Object.entries(mapOf(gates))) {
    const { file } = mapOf(mapOf(mapOf(gate).jwt).jwks)
    if (typeof file !== 'string') continue
    const path = resolve(folder, file)
    seen?.add(path)
    try {
      files.set(name, keySet(readFileSync(path, 'utf8')))
    } catch (error) {
      const at: Path = ['gates', name, 'jwt', 'jwks', 'file']
      const message =
        error instanceof SyntaxError ? `${path} ${error.message}` : `cannot read ${path}: ${reasonOf(error)}`
      findings.push({ path: at, message })
    }
  }
  return { files, findings }
}

/** @throws SyntaxError */
function keySet(text: string): JSONWebKeySet {
  let set: unknown
  try {
    set = JSON.parse(text)
  } catch {
    throw new SyntaxError('is no JSON')
  }
  const { keys } = mapOf(set)
  if (!Array.isArray(keys) || !keys.every(isMap)) throw new SyntaxError('is no JSON Web Key Set: it has no list `keys`')
  return set as JSONWebKeySet
}

/** The part of a configuration, checked, that says what calls must pass. */
interface GatesConfig {
  readonly gates: unknown[] | Record<string, unknown>
  readonly require?: unknown
}

/** The same for the proxy, as data. */
export function gatesSetup({ gates, require }: GatesConfig, keyFiles: KeyFiles): Pick<ProxySetup, 'gates'> {
  if (Array.isArray(gates)) {
    // In code, without names: all of them, and then what else is required.
    return { gates: { required: require === undefined ? gates : [...gates, require], definitions: {}, keyFiles } }
  }
  if (require === undefined && Object.keys(gates).length === 0) return {}
  return { gates: { required: require, definitions: gates, keyFiles } }
}

/** A gate, and what it was made of. */
interface Made {
  readonly text: string
  readonly gate: Gate
  /** Where other processes keep its limit with this one. */
  readonly counts?: SharedCounts
}

/** The gates of a proxy, by name. One that is defined as it was before is the same. */
export class GateSet {
  readonly #made = new Map<string, Made>()

  /**
   * @param setup of gates; undefined: there are none
   * @param onCounted other processes keep the same limits: some gate has something to tell them
   */
  constructor(setup: GatesSetup | undefined, before?: GateSet, onCounted?: () => void) {
    for (const [name, definition] of Object.entries(setup?.definitions ?? {})) {
      const keys = setup!.keyFiles.get(name) as JSONWebKeySet | undefined
      const madeBefore = before === undefined ? undefined : before.#of(name)
      this.#made.set(name, madeOf(name, definition as GateOptions | Gate, keys, madeBefore, onCounted))
    }
  }

  /** What gates count that other processes count too, by what they are: one that is defined in another way is another. */
  get sharedCounts(): Map<string, SharedCounts> {
    const shared = new Map<string, SharedCounts>()
    for (const [name, { text, counts }] of this.#made) if (counts !== undefined) shared.set(`${name} ${text}`, counts)
    return shared
  }

  #of(name: string): Made | undefined {
    return this.#made.get(name)
  }

  /** The configuration with its gates in place. */
  in(setup: ProxySetup): ProxySetup {
    const routes = setup.routes.map(route => {
      const { require, faults: wanted } = route as { require?: RequirementOptions; faults?: FaultOptions }
      const gate = require === undefined ? undefined : this.#required(require)
      if (wanted === undefined) return gate === undefined ? route : { ...route, gate }
      const faulty = named('faults', faults(wanted))
      return { ...route, gate: gate === undefined ? faulty : allOf([gate, faulty]) }
    })
    const listeners = setup.listeners.map(listener => {
      const { require } = listener as { require?: RequirementOptions }
      return require === undefined ? listener : { ...listener, gate: this.#required(require) }
    })
    const all = { ...setup, routes, listeners }
    const required = setup.gates?.required as RequirementOptions | undefined
    if (required === undefined) return all
    const { director } = setup
    // A refusal that a director throws is its own, too.
    const own = director && { director: named(NAMELESS, next => next)(director) }
    return { ...all, ...own, gate: this.#required(required) }
  }

  /** What a call must pass, as one gate. Names have been checked before. */
  #required(requirement: RequirementOptions): Gate {
    // A name of its own, so that what it refuses does not count as of a gate around it.
    if (typeof requirement === 'function') return named(NAMELESS, requirement)
    if (typeof requirement === 'string') return this.#of(requirement)!.gate
    if (isList(requirement)) return allOf(requirement.map(one => this.#required(one)))
    if ('any' in requirement) return anyOf(requirement.any.map(one => this.#required(one)))
    return allOf(requirement.all.map(one => this.#required(one)))
  }
}

function isList<T, Other>(value: readonly T[] | Other): value is readonly T[] {
  return Array.isArray(value)
}

function madeOf(
  name: string,
  definition: GateOptions | Gate,
  keys: JSONWebKeySet | undefined,
  before: Made | undefined,
  onCounted: (() => void) | undefined,
): Made {
  if (typeof definition === 'function') return { text: '', gate: named(name, definition) }
  const text = JSON.stringify([definition, keys])
  if (before?.text === text) return before
  const { rateLimit: rate, concurrency: running } = definition
  if (rate !== undefined) {
    const counts = onCounted && new PassedCounts(onCounted)
    const gate = rateLimit({ ...rate, key: rate.key as CallKeys | undefined }, undefined, counts)
    return { text, gate: named(name, gate), ...(counts && { counts }) }
  }
  if (running !== undefined) {
    const counts = onCounted && new RunningCounts(onCounted)
    const gate = concurrency({ ...running, key: running.key as CallKeys | undefined }, undefined, counts)
    return { text, gate: named(name, gate), ...(counts && { counts }) }
  }
  return { text, gate: named(name, makeGate(definition, keys)) }
}

/** Of those that count nothing which other processes count too. */
function makeGate(definition: GateOptions, keys: JSONWebKeySet | undefined): Gate {
  const { jwt: token } = definition
  if (token !== undefined) return jwt({ ...token, jwks: 'url' in token.jwks ? token.jwks : (keys as JSONWebKeySet) })
  if (definition.apiKeys !== undefined) return apiKeys(definition.apiKeys)
  if (definition.certificate !== undefined) return certificate(definition.certificate)
  if (definition.claims !== undefined) return claims(definition.claims)
  if (definition.network !== undefined) return network(definition.network)
  if (definition.authorization !== undefined) return authorization(definition.authorization)
  return globalRateLimit(definition.globalRateLimit as GlobalRateLimitOptions)
}
