"""An echo server and a client on grpcio, without protobuf: a message is whatever bytes came.

peer.py serve
peer.py call ADDR   one call for each line of standard input, `ID PATH`; tells `ID CODE MESSAGE`
"""

import concurrent.futures
import json
import sys
import threading
import time

import grpc

CALL_TIMEOUT_S = 60
# A call holds a thread for as long as it lasts.
MAX_CALLS = 1_200


class Echo(grpc.GenericRpcHandler):
    """Answers each message with itself. Under a path that ends in /Slow each answer takes 20 ms."""

    def service(self, details):
        slow = details.method.endswith("/Slow")

        def behaviour(messages, _context):
            for message in messages:
                if slow:
                    time.sleep(0.02)
                yield message

        return grpc.stream_stream_rpc_method_handler(behaviour)


def serve():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(MAX_CALLS), handlers=[Echo()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening on 127.0.0.1:{port}, grpcio {grpc.__version__}", flush=True)
    server.wait_for_termination()


def call(address):
    channel = grpc.insecure_channel(address)
    print(f"calling {address}, grpcio {grpc.__version__}", flush=True)
    telling = threading.Lock()

    def tell(call_id, future):
        code, message = future.code().value[0], (future.details() or "")[:200]
        with telling:
            print(call_id, code, json.dumps(message), flush=True)

    calls = []
    for line in sys.stdin:
        call_id, path = line.strip().split(" ", 1)
        future = channel.unary_unary(path).future(b"question", timeout=CALL_TIMEOUT_S)
        future.add_done_callback(lambda future, call_id=call_id: tell(call_id, future))
        calls.append(future)
    for future in calls:
        future.exception()


if sys.argv[1:] == ["serve"]:
    serve()
elif len(sys.argv) == 3 and sys.argv[1] == "call":
    call(sys.argv[2])
else:
    sys.exit("usage: peer.py serve | call ADDRESS")
