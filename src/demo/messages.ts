/**
 * The messages of fixtures/proto/testservice.proto and health.proto as plain objects. Decoded
 * messages have every field; a message to be sent may leave out what has its default value.
 */

export interface ErrorSpec {
  code: number
  message: string
  details: Buffer
}

export interface PingRequest {
  value: string
  payload: Buffer
  payload_size: number
  delay_ms: number
  echo_headers: string[]
  echo_trailers: string[]
  error: ErrorSpec | null
}

export interface PingReply {
  value: string
  counter: number
  server: string
  payload: Buffer
  received_bytes: number
  received_crc32: number
  deadline_ms: number
}

export interface PingErrorRequest {
  error: ErrorSpec | null
  headers_first: boolean
  delay_ms: number
}

export interface PingListRequest {
  count: number
  payload_size: number
  delay_ms: number
  value: string
  error: ErrorSpec | null
}

export interface PingSumReply {
  count: number
  bytes: number
  crc32: number
  server: string
}

export interface AwaitCallRequest {
  call_id: string
}

export type CallEnd = 'UNKNOWN' | 'FINISHED' | 'CANCELLED'

export interface AwaitCallReply {
  end: CallEnd
  requests: number
  replies: number
  server: string
}

export interface HealthCheckRequest {
  service: string
}

export type ServingStatus = 'UNKNOWN' | 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN'

export interface HealthCheckResponse {
  status: ServingStatus
}
