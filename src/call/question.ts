/** Asks the director where a call goes. The answer comes now or later, and may be any value that JavaScript has. */
import type { Backend } from '../backend/backend.ts'
import type { AddedField, RequestHead } from '../grpc/metadata.ts'
import { GrpcError } from '../grpc/status.ts'
import type { CallPriority, Target } from '../routing/director.ts'
import { isPromise, NAMELESS, Refusal } from '../routing/gate.ts'
import type { CallHash } from '../routing/hash-key.ts'
import { editsOf } from '../routing/metadata-changes.ts'
import { type DefinedPolicy, definedPolicy } from '../routing/policy.ts'
import { checkAuthority } from './added-fields.ts'
import type { RoutedCall } from './call-info.ts'
import type { RelayContext } from './context.ts'
import { type Failure, failureOf } from './failure.ts'
import { priorityOf } from './priority.ts'

/** Who asks. It is told one of the two, once, and nothing if it does not wait any more. */
export interface Asker {
  /** False: the call has ended meanwhile, which aborted the director's signal, and needs no answer. */
  readonly waitsForRoute: boolean
  /** Where its call is on the circle of a backend that hashes calls. */
  hash: number
  /** Which calls give way first; see `backend/call-priority.ts`. */
  priority: number
  onRoute(
    backend: Backend,
    authority: string | undefined,
    added: readonly AddedField[],
    policy: DefinedPolicy | undefined,
  ): void
  /** It goes nowhere. */
  fail(failure: Failure): void
}

/** A synchronous director costs no promise. */
export function askDirector(context: RelayContext, call: RoutedCall, head: RequestHead, asker: Asker): void {
  try {
    const { director, entrance = director } = context.routes
    const target = entrance(call)
    if (!isPromise(target)) return answer(context, call, head, asker, target)
    target.then(
      late => answer(context, call, head, asker, late),
      thrown => refuse(context, call, asker, thrown),
    )
  } catch (thrown) {
    refuse(context, call, asker, thrown)
  }
}

function refuse(context: RelayContext, call: RoutedCall, asker: Asker, thrown: unknown): void {
  if (!asker.waitsForRoute) return
  if (thrown instanceof Refusal) return asker.fail(ofGate(thrown))
  if (thrown instanceof GrpcError) {
    return asker.fail(failureOf('denied', { status: thrown.status, message: thrown.message }))
  }
  // Its message may hold what a client must not see; the log has it.
  context.onFault('the director threw', call.path, thrown)
  asker.fail(failureOf('director-failed'))
}

function ofGate({ token, message, retryAfterMs, status, fields, gate = NAMELESS }: Refusal): Failure {
  return failureOf(token, { cause: message, retryAfterMs, fields, gate, ...(status !== undefined && { status }) })
}

function answer(
  context: RelayContext,
  call: RoutedCall,
  head: RequestHead,
  asker: Asker,
  target: Target | undefined,
): void {
  if (!asker.waitsForRoute) return
  // A director in plain JavaScript may say null.
  if (target == null) return asker.fail(failureOf('no-route', { detail: call.path }))
  let backend: Backend | undefined
  let authority: string | undefined
  let added: readonly AddedField[]
  let priority: CallPriority | undefined
  let policy: DefinedPolicy | undefined
  // A director in plain JavaScript may return anything: what throws here is its fault.
  try {
    backend = context.routes.backend(target.backend)
    if (backend === undefined) context.onFault('the director named an unknown backend', call.path, target.backend)
    authority = target.authority
    checkAuthority(authority)
    priority = target.priority
    if (target.policy !== undefined) policy = definedPolicy(target.policy)
    // It is opened here, where what that throws is the director's fault, too.
    if (policy?.mirror !== undefined) context.routes.backend(policy.mirror.backend)
    if (target.changes !== undefined) call.edits = editsOf(target.changes, call, backend?.name ?? '')
    added = context.addedFields(call.peer, head, call.fields, target)
  } catch (cause) {
    context.onFault("the director's answer cannot be sent", call.path, cause)
    return asker.fail(failureOf('director-failed'))
  }
  if (backend === undefined) return asker.fail(failureOf('unknown-backend', { cause: nameOf(target.backend) }))
  if (backend.hash !== undefined) asker.hash = placeOf(backend.hash, call, context)
  const { priorityName } = backend.shared.limits
  if (priority !== undefined || priorityName !== undefined)
    asker.priority = priorityOf(priority, priorityName, call.fields)
  asker.onRoute(backend, authority, added, policy)
}

/** A key function that fails costs its call nothing but the place that it would have had. */
function placeOf(hash: CallHash, call: RoutedCall, context: RelayContext): number {
  try {
    return hash.of(call)
  } catch (thrown) {
    context.onFault('the hash key function threw', call.path, thrown)
    return hash.anywhere()
  }
}

function nameOf(backend: unknown): string {
  return typeof backend === 'string' ? `no backend named ${backend}` : 'no backend like that'
}
