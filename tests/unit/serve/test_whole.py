"""Answers in one write, on a real socket: as the messages would have them, in order, and only where nobody looks."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import uvicorn

from algosync.serve.server import _Http
from algosync.serve.whole import whole_of

HEAD = b"POST /%b HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n%b\r\nhi"
CLOSE = b"connection: close\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Says by which way it was asked and has answered."""
    whole = whole_of(scope)
    there = whole.body()
    body = there if there is not None else (await receive())["body"]
    said = b"%b %b %b" % (scope["path"].encode(), body, b"at once" if there is not None else b"awaited")
    if scope["path"] == "/wrapped":

        async def sending(message: Any) -> None:
            await send(message)

        assert not whole.send(sending, 200, b"", said)
    head = b"content-length: %d\r\n" % len(said)
    if whole.send(send, 200, head, said):
        assert not whole.send(send, 200, head, said)
        return
    headers = [(b"content-length", str(len(said)).encode()), (b"x-way", b"messages")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


async def _talk(parts: list[bytes]) -> bytes:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http=_Http, lifespan="off", log_config=None, server_header=False)
        server = uvicorn.Server(config)
        server.capture_signals = _nothing  # type: ignore[method-assign]
        serving = asyncio.create_task(server.serve([listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        for part in parts:
            writer.write(part)
            await writer.drain()
        told = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        server.should_exit = True
        await serving
    return told


class _nothing:  # noqa: N801  # stands for a context manager
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("first", ["plain", "wrapped"])
def test_answers_come_in_order_and_the_last_one_by_messages(first: str) -> None:
    told = asyncio.run(_talk([HEAD % (first.encode(), b"") + HEAD % (b"second", b"") + HEAD % (b"last", CLOSE)]))
    one, two, three = told.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert one.endswith(b"\r\n\r\n/%b hi at once" % first.encode())
    assert two.endswith(b"\r\n\r\n/second hi at once")
    assert three.endswith(b"\r\n\r\n/last hi at once")
    assert b"x-way" not in one + two
    assert b"date: " in one
    assert b"x-way: messages\r\nconnection: close" in three
