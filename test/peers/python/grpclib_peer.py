"""An echo server and a client on grpclib, whose HTTP/2 is python-h2, without protobuf: a message is whatever bytes came.

grpclib_peer.py serve
grpclib_peer.py call ADDR   one call for each line of standard input, `ID PATH`; tells `ID CODE MESSAGE`
"""

import asyncio
import importlib.metadata
import json
import socket
import sys

from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.const import Cardinality, Handler
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError
from grpclib.server import Server

CALL_TIMEOUT_S = 60
VERSIONS = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("grpclib", "h2"))


class Bytes(CodecBase):
    """Hands messages on as they are."""

    __content_subtype__ = "proto"

    def encode(self, message, message_type):
        return message

    def decode(self, data, message_type):
        return data


def echo(delay_s):
    """Answers each message with itself, after a while."""

    async def behaviour(stream):
        async for message in stream:
            await asyncio.sleep(delay_s)
            await stream.send_message(message)

    return Handler(behaviour, Cardinality.STREAM_STREAM, None, None)


class Echo:
    def __mapping__(self):
        return {"/peers.Echo/Echo": echo(0), "/peers.Echo/Slow": echo(0.02)}


async def serve():
    listening = socket.create_server(("127.0.0.1", 0))
    server = Server([Echo()], codec=Bytes())
    await server.start(sock=listening)
    port = listening.getsockname()[1]
    print(f"listening on 127.0.0.1:{port}, {VERSIONS}", flush=True)
    await server.wait_closed()


async def one(channel, call_id, path):
    code, message = 0, ""
    try:
        await UnaryUnaryMethod(channel, path, None, None)(b"question", timeout=CALL_TIMEOUT_S)
    except GRPCError as error:
        code, message = error.status.value, error.message or ""
    except Exception as error:
        code, message = 2, repr(error)
    print(call_id, code, json.dumps(message[:200]), flush=True)


async def call(address):
    host, port = address.rsplit(":", 1)
    channel = Channel(host, int(port), codec=Bytes())
    print(f"calling {address}, {VERSIONS}", flush=True)
    calls = []
    while line := await asyncio.to_thread(sys.stdin.readline):
        calls.append(asyncio.create_task(one(channel, *line.strip().split(" ", 1))))
    await asyncio.gather(*calls)
    channel.close()


if sys.argv[1:] == ["serve"]:
    asyncio.run(serve())
elif len(sys.argv) == 3 and sys.argv[1] == "call":
    asyncio.run(call(sys.argv[2]))
else:
    sys.exit("usage: grpclib_peer.py serve | call ADDRESS")
