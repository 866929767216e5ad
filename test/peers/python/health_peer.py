"""Answers every call with OK and no message, beside the health service of grpcio. Each line of standard input is
`SERVICE STATUS`.
"""

import concurrent.futures
import sys

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


class Anything(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.stream_stream_rpc_method_handler(lambda _requests, _context: iter(()))


server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
statuses = health.HealthServicer()
health_pb2_grpc.add_HealthServicer_to_server(statuses, server)
server.add_generic_rpc_handlers([Anything()])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"listening on 127.0.0.1:{port}, grpcio {grpc.__version__}", flush=True)
for line in sys.stdin:
    service, status = line.split()
    statuses.set(service, health_pb2.HealthCheckResponse.ServingStatus.Value(status))
