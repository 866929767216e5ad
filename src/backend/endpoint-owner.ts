/** Who hears what happens at an endpoint. */
export interface EndpointOwner<Endpoint> {
  /** A session is ready. */
  onConnected(endpoint: Endpoint): void
  /** A session has room for a stream. */
  onRoom(endpoint: Endpoint): void
  /** A connect failed. Calls that wait for this endpoint should go to another. */
  onConnectFailed(endpoint: Endpoint): void
  /** A connect takes long. Calls that wait should go to another endpoint if one is ready. */
  onConnectSlow(endpoint: Endpoint): void
  /** A session takes no more streams, so no call should wait for one of them. */
  onSessionGone(endpoint: Endpoint): void
  /** It is barred now and was not before, or the other way round. */
  onBarsChanged(endpoint: Endpoint): void
}
