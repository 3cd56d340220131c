"""Events over HTTP onto the disk, in batches of 20, while a worker takes them out again and publishes snapshots.

The server is the collector's routes on uvicorn, in a process of its own; so is the worker. `hello world` is the same
server with a handler that reads the body and keeps nothing. Events a second by the wall clock are what counts: durable
means that a disk has to answer.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import Benchmark, Median, Outcome, timed

EVENTS = 100_000
BATCH = 20
CONNECTIONS = 16
PEOPLE = 5_000
LEAST = 5_000
NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Open:
    """A gate that stands open: what keys cost is measured elsewhere."""

    def may_send(self, key: str | None, events: Any) -> None:
        pass


def serve(place: str, kind: str) -> None:
    """The server: prints its port, then serves until killed."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from algosync.serve.collect import Collector, routes
    from algosync.stores.inbox import INBOX, Inbox
    from algosync.stores.state import open_state

    async def hello(request: Request) -> Response:
        await request.body()
        return Response(b'{"status":200,"message":"OK"}')

    if kind == "hello":
        app = Starlette(routes=[Route("/1/events", hello, methods=["POST"])])
    else:
        inbox = Inbox(open_state("sqlite", Path(place), create=True, book=INBOX))
        app = Starlette(routes=routes(Collector(inbox=inbox, gate=Open(), now=lambda: datetime.now(UTC))))
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])


def work(place: str) -> None:
    """The worker: takes out and drops what is there, and publishes a changed snapshot, until killed."""
    from algosync.stores.inbox import INBOX, Inbox
    from algosync.stores.snapshot import SNAPSHOT, Delta, Snapshot
    from algosync.stores.state import open_state

    inbox = Inbox(open_state("sqlite", Path(place), create=True, book=INBOX))
    snapshot = Snapshot(open_state("sqlite", Path(place), create=True, book=SNAPSHOT))
    seq, turn = 0, 0
    print("ready", flush=True)
    while True:
        rows = inbox.after(seq, 250_000)
        people = {f"person-{n}": {"person": f"person-{n}", "turn": turn, "doc": "x" * 500} for n in range(PEOPLE)}
        snapshot.publish(Delta(people=people, tokens={}, as_of=NOW.isoformat()))
        if rows:
            seq = rows[-1].seq
            inbox.drop(seq)
        turn += 1
        time.sleep(0.5)


@contextmanager
def _process(*arguments: str) -> Iterator[str]:
    command = [sys.executable, __file__, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def _request(number: int) -> bytes:
    events = [
        {
            "eventType": "view",
            "eventName": "Product Viewed",
            "index": "products",
            "userToken": f"anonymous-{number}-{n}",
            "objectIDs": [f"product-{n}"],
        }
        for n in range(BATCH)
    ]
    body = json.dumps({"events": events}).encode()
    head = f"POST /1/events HTTP/1.1\r\nhost: shop\r\nx-algolia-api-key: key\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _send(port: int, requests: Iterator[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0], head
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
    writer.close()


async def _everything(port: int, requests: list[bytes]) -> None:
    shared = iter(requests)
    await asyncio.gather(*(_send(port, shared) for _ in range(CONNECTIONS)))


def _sent(scale: float, kind: str, *, worker: bool) -> Outcome:
    requests = [_request(n) for n in range(int(EVENTS * scale) // BATCH)]
    with TemporaryDirectory(dir=Path.cwd()) as place, ExitStack() as stack:  # on a disk: /tmp may be memory
        port = int(stack.enter_context(_process("serve", place, kind)))
        if worker:
            stack.enter_context(_process("work", place))
        asyncio.run(_everything(port, requests[:10]))
        with timed() as clock:
            asyncio.run(_everything(port, requests))
    return Outcome(clock=clock, units=len(requests) * BATCH)


def _busy(_place: Path, scale: float) -> Outcome:
    return _sent(scale, "collector", worker=True)


def _alone(_place: Path, scale: float) -> Outcome:
    return _sent(scale, "collector", worker=False)


def _hello(_place: Path, scale: float) -> Outcome:
    return _sent(scale, "hello", worker=False)


def _target(medians: Mapping[str, Median]) -> tuple[str, bool]:
    rate = medians["while a worker publishes"].rate
    return f"{rate:,.0f} events a second are on the disk, at least {LEAST:,} are wanted", rate >= LEAST


BENCHMARK = Benchmark(
    name="collector",
    title=f"events over HTTP onto the disk, in batches of {BATCH}",
    unit="events",
    variants={"while a worker publishes": _busy, "alone": _alone, "hello world": _hello},
    target=_target,
)

if __name__ == "__main__":
    {"serve": serve, "work": work}[sys.argv[1]](*sys.argv[2:])
