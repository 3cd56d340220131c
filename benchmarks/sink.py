"""A server on loopback that takes every write and keeps none: what is left of a push when Algolia costs nothing.

Started by the benchmark `push` in a process of its own; prints its port. Not a mock: it reads no body.
"""

from __future__ import annotations

import asyncio
import re

ANSWER = b'{"taskID":1,"objectIDs":[],"status":"published","pendingTask":false}'
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Sink(asyncio.Protocol):
    """Counts bytes until a request is complete."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.head, self.missing = b"", 0

    def data_received(self, data: bytes) -> None:
        if not self.missing:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            length = LENGTH.search(self.head[:end])
            self.missing = int(length[1]) if length else 0
            data, self.head = self.head[end + 4 :], b""
        self.missing -= len(data)
        if self.missing <= 0:
            self.missing = 0
            self.transport.write(REPLY)


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
