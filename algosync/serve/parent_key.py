"""Looks at everything that a request shows for the one key that nobody should hold: the parent of secured API keys.

Whoever carries it can sign for anybody, whatever other key the request has beside it and whatever route it asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from algosync.errors import AccessError
from algosync.serve.refusals import of_error
from algosync.serve.secured import SecuredKeys


class ParentKeyLook:
    """A layer that ends the scheme of secured keys where their parent is shown, and refuses that request.

    Args:
        app: What answers.
        secured: The scheme.
    """

    def __init__(self, app: ASGIApp, secured: SecuredKeys) -> None:
        self._app = app
        self._secured = secured

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http":
            try:
                self.look(scope)
            except AccessError as error:
                await of_error(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def look(self, scope: Scope) -> None:
        """Looks at one request.

        Raises:
            AccessError: It shows the parent.
        """
        for text in _shown(scope):
            self._secured.watch(text)


def _shown(scope: Scope) -> Iterator[str]:
    """What may be a key: every header, also behind a scheme or a cookie's name, and every value of the query."""
    for _, value in scope["headers"]:
        text = value.decode("latin-1")
        yield text
        for part in text.replace(";", " ").replace(",", " ").split():
            yield part
            yield part.partition("=")[2]
    if scope["query_string"]:
        for _, text in parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=None):
            yield text
