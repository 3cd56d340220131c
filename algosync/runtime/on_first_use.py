"""What the API puts together when somebody first asks for it: receipts, and the preview.

Both load libraries that no answer needs. A server that nobody asks for them starts without, and stays small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from algosync.serve.door import Door
from algosync.serve.explain import Asked, Explainer
from algosync.serve.preview.session import PATH
from algosync.serve.stored import Place, Stored
from algosync.settings.models import Settings
from algosync.stores.inbox import Inbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """What the API has open already.

    Attributes:
        place: Where the stores are.
        desk: Answers.
        inbox: What storefronts sent.
        door: Who may ask, how often, and the clock.
        explainer: Makes receipts; None where nobody does.
    """

    place: Place
    desk: Stored
    inbox: Inbox
    door: Door
    explainer: Explainer | None


class LazyReceipts:
    """Explains one person at a time; `serve.explain.Explainer`.

    Made by the same code as the receipts of `algosync explain`.

    Args:
        settings: The settings.
        base: The folder of the settings file.
        clock: Tells the time.
    """

    def __init__(self, settings: Settings, base: Path, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._base = base
        self._clock = clock
        self._turn = Lock()

    def explain(self, asked: Asked) -> Mapping[str, Any]:
        """See `Explainer`."""
        with self._turn:
            from algosync.runtime.explaining import Receipts
            from algosync.runtime.opening import Opening
            from algosync.sync.stages import Silent

            opening = Opening(self._settings, self._base, progress=Silent(), clock=self._clock)
            return Receipts(opening).explain(asked)


@contextmanager
def lazy_preview(settings: Settings, base: Path, opened: Open) -> Iterator[tuple[Route, ...]]:
    """The routes of everything at and below /preview; none without an admin key.

    Args:
        settings: The settings.
        base: The folder of the settings file.
        opened: What the API has open.
    """
    key = settings.serve.admin_key
    if key is None:
        yield ()
        return

    def pages() -> AbstractContextManager[tuple[Route, ...]]:
        from algosync.runtime.previewing import preview_routes

        return preview_routes(settings, base, opened, key.get_secret_value())

    with ExitStack() as stack:
        preview = _LazyPages(pages, stack)
        yield tuple(Route(path, preview, include_in_schema=False) for path in (PATH, f"{PATH}/{{below:path}}"))


class _LazyPages:
    """An ASGI application over routes that are made for its first request.

    Args:
        pages: Makes them.
        stack: Holds what they hold open.
    """

    def __init__(self, pages: Callable[[], AbstractContextManager[tuple[Route, ...]]], stack: ExitStack) -> None:
        self._pages = pages
        self._stack = stack
        self._turn = Lock()
        self._router: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        router = self._router
        if router is None:
            router = await run_in_threadpool(self._made)
        await router(scope, receive, send)

    def _made(self) -> ASGIApp:
        with self._turn:
            if self._router is None:
                self._router = Router(self._stack.enter_context(self._pages()), redirect_slashes=False)
            return self._router
