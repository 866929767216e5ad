/** Finds a method's request type in .proto files. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import protobuf from 'protobufjs'
import { reasonOf } from '../config/pem-source.ts'
import { didYouMean } from '../config/problems.ts'
import { sizeOf } from './given-file.ts'
import { UsageError } from './problem.ts'

export interface ProtoFiles {
  /** As they were given: paths, or names below one of `importPaths`. */
  readonly files: readonly string[]
  /** Folders in which imports are looked for, before the folder of the importing file. */
  readonly importPaths: readonly string[]
}

/**
 * The request type of `/pkg.Service/Method`.
 * @throws UsageError for files that are missing or do not parse, and for services or methods that they do not have
 */
export function requestTypeOf(path: string, { files, importPaths }: ProtoFiles): protobuf.Type {
  const root = new protobuf.Root()
  root.resolvePath = (origin, target) => find(origin, target, importPaths)
  for (const file of files) loadFile(root, file)
  try {
    root.resolveAll()
  } catch (error) {
    throw new UsageError(`--proto ${files.join(', ')}: ${reasonOf(error)}`)
  }
  const [, service = '', name = ''] = path.split('/')
  const method = methodOf(root, service, name)
  if (method.requestStream === true) {
    throw new UsageError(`--path: ${path} takes a stream of requests; bench measures methods that take one`)
  }
  return method.resolvedRequestType!
}

function loadFile(root: protobuf.Root, file: string): void {
  try {
    // Field names stay as they are written; json-message.ts also knows their JSON names.
    root.loadSync(file, { keepCase: true })
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`--proto ${file}: ${reasonOf(error)}`)
  }
}

/** protobufjs has google/protobuf/… built in, and does not ask for it. */
function find(origin: string, target: string, importPaths: readonly string[]): string {
  const folders = origin === '' ? ['', ...importPaths] : [...importPaths, dirname(origin), '']
  const candidates = folders.map(folder => join(folder, target))
  const found = candidates.find(candidate => existsSync(candidate))
  if (found === undefined) {
    const whose = origin === '' ? '' : `, which ${origin} imports`
    throw new UsageError(`--proto: there is no ${target}${whose}: looked for ${[...new Set(candidates)].join(', ')}`)
  }
  try {
    sizeOf('--proto', found)
    readFileSync(found)
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`--proto: cannot read ${found}: ${reasonOf(error)}`)
  }
  return found
}

function methodOf(root: protobuf.Root, service: string, name: string): protobuf.Method {
  const services = servicesBelow(root)
  const found = services.find(candidate => nameOf(candidate) === service)
  if (found === undefined) {
    const names = services.map(nameOf)
    const known = names.length === 0 ? 'there is no service at all' : `there is ${names.join(', ')}`
    throw new UsageError(`--path: --proto has no service ${service}${didYouMean(service, names) || `: ${known}`}`)
  }
  const method = found.methods[name]
  if (method === undefined) {
    const names = Object.keys(found.methods)
    const hint = didYouMean(name, names) || `: it has ${names.join(', ')}`
    throw new UsageError(`--path: ${service} has no method ${name}${hint}`)
  }
  return method
}

function servicesBelow(space: protobuf.NamespaceBase): protobuf.Service[] {
  return space.nestedArray.flatMap(one => {
    if (one instanceof protobuf.Service) return [one]
    return one instanceof protobuf.Namespace ? servicesBelow(one) : []
  })
}

/** `pkg.Service`: without the dot that protobufjs puts in front. */
function nameOf({ fullName }: protobuf.ReflectionObject): string {
  return fullName.replace(/^\./, '')
}
