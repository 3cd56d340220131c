"""What is served beside a service's work: whether it is alive, whether it does its work, and its metrics.

It runs in a thread of its own; the main thread does the work. Nothing personal is answered here, and no key is asked
for: it listens on loopback unless told otherwise.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import orjson
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from algosync.errors import AlgosyncError
from algosync.serve.health import alive
from algosync.serve.refusals import JSON, PRIVATE
from algosync.serve.server import Address, listen, url_of

STARTS_WITHIN_S: Final = 30
METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"


def beside_app(ready: Callable[[], Mapping[str, Any]], metrics: Callable[[], bytes]) -> Starlette:
    """The application.

    Args:
        ready: The document of /readyz, with `ready` and `problems`.
        metrics: The page of /metrics, in Prometheus' text format.
    """

    async def readiness(_request: Request) -> Response:
        told = await run_in_threadpool(_ready_or_why, ready)
        return Response(orjson.dumps(told), 200 if told["ready"] else 503, PRIVATE, JSON)

    async def page(_request: Request) -> Response:
        try:
            return Response(await run_in_threadpool(metrics), 200, PRIVATE, METRICS)
        except AlgosyncError as error:
            return Response(f"# {error.what}\n", 503, PRIVATE, METRICS)

    routes = [
        Route("/healthz", alive, methods=["GET"]),
        Route("/readyz", readiness, methods=["GET"]),
        Route("/metrics", page, methods=["GET"]),
    ]
    return Starlette(routes=routes)


def _ready_or_why(ready: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    try:
        return ready()
    except AlgosyncError as error:
        return {"ready": False, "problems": [error.what]}


class _InThread(uvicorn.Server):
    """uvicorn that tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@contextmanager
def serving_beside(app: Starlette, address: Address) -> Iterator[str]:
    """Serves in a thread for as long as the context lasts; gives the URL.

    Raises:
        AlgosyncError: It cannot listen there.
    """
    with listen(address) as listener:
        config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None, access_log=False, server_header=False)
        server = _InThread(config)
        arguments = {"sockets": [listener]}
        thread = threading.Thread(target=server.run, kwargs=arguments, name="health", daemon=True)
        thread.start()
        if not server.listens.wait(STARTS_WITHIN_S):
            structlog.get_logger("algosync.serve").warning("health is not served yet")
        try:
            yield url_of(listener)
        finally:
            server.should_exit = True
            thread.join()
