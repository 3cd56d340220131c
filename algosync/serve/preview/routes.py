"""The routes of the preview: log in with the admin key, look at the shop as somebody, see what everybody does.

Every refusal is a page that says what to do next, and tells nothing of the inside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from algosync.errors import AccessError, AlgosyncError, ForbiddenError, RequestError, StoreError
from algosync.serve.auth import Gate
from algosync.serve.limits import Limits
from algosync.serve.meter import ADDRESS
from algosync.serve.preview.asked import Form, Wish, read_form
from algosync.serve.preview.overview import overview_of
from algosync.serve.preview.pages import HEADERS, asset, is_asset, page
from algosync.serve.preview.session import COOKIE, PATH, Session, Sessions, refuse_foreign
from algosync.serve.preview.stage import Stage

Handler = Callable[[Request], Awaitable[Response]]

LOGIN: Final = f"{PATH}/login"
_FIELD: Final = "form_token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What the preview is put together from.

    Attributes:
        gate: Knows the admin key.
        limits: How often somebody may try one.
        clock: Tells the time.
        sessions: Begins sessions and looks whether they hold.
        stage: Looks at the shop.
    """

    gate: Gate
    limits: Limits
    clock: Callable[[], datetime]
    sessions: Sessions
    stage: Stage

    def session(self, request: Request) -> Session:
        """The session of a request.

        Raises:
            AccessError: It has none that holds.
        """
        return self.sessions.of(request, now=self.clock())

    async def form(self, request: Request) -> tuple[Session, Form]:
        """A form that was sent from the session's own pages.

        Raises:
            AccessError: There is no session that holds, or another site's page sent it.
            RequestError: It cannot be read.
        """
        refuse_foreign(request)
        session = self.session(request)
        form = await read_form(request)
        self.sessions.check_form(session, form.get(_FIELD))
        return session, form


def routes(preview: Preview) -> Iterator[Route]:
    """The routes, all below /preview."""
    for path, handler, method in (
        (PATH, _start, "GET"),
        (PATH, _look, "POST"),
        (LOGIN, _door, "GET"),
        (LOGIN, _log_in, "POST"),
        (f"{PATH}/logout", _log_out, "POST"),
        (f"{PATH}/events", _events, "POST"),
        (f"{PATH}/overview", _overview, "GET"),
    ):
        yield Route(path, _guarded(preview, handler), methods=[method], include_in_schema=False)
    yield Route(f"{PATH}/assets/{{name}}", _asset, methods=["GET"], include_in_schema=False)


async def _start(preview: Preview, request: Request) -> Response:
    if COOKIE not in request.cookies:
        return RedirectResponse(LOGIN, 303, HEADERS)
    session = preview.session(request)
    choices = await run_in_threadpool(preview.stage.choices, preview.clock())
    wish = Wish(index=choices.indices[0])
    return page("preview.html", session=session, wish=wish, choices=choices, scene=None, wrong=None, here="preview")


async def _look(preview: Preview, request: Request) -> Response:
    session, form = await preview.form(request)
    now, stage = preview.clock(), preview.stage
    choices = await run_in_threadpool(stage.choices, now)
    wish = form.wish(choices.indices)
    scene, wrong, status = None, None, 200
    try:
        scene = await run_in_threadpool(stage.scene, wish, now)
        status = 200 if scene.trouble is None else 502
    except RequestError as error:
        if error.status not in {400, 422}:
            raise
        wrong, status = error, error.status
    values = {"session": session, "wish": wish, "choices": choices, "scene": scene, "wrong": wrong}
    return page("preview.html", status, here="preview", **values)


async def _events(preview: Preview, request: Request) -> Response:
    """The list of events alone, for the script that keeps it fresh."""
    _, form = await preview.form(request)
    wish = form.wish(preview.stage.indices)
    arrivals = await run_in_threadpool(preview.stage.arrivals, wish, preview.clock())
    return page("events.html", arrivals=arrivals)


async def _overview(preview: Preview, request: Request) -> Response:
    if COOKIE not in request.cookies:
        return RedirectResponse(LOGIN, 303, HEADERS)
    session = preview.session(request)
    told = await run_in_threadpool(preview.stage.told)
    sums = None if told.sums is None else overview_of(told.sums, preview.stage.currency)
    return page("overview.html", session=session, told=told, sums=sums, here="overview")


async def _door(_preview: Preview, _request: Request) -> Response:
    return page("login.html", wrong=None)


async def _log_in(preview: Preview, request: Request) -> Response:
    refuse_foreign(request)
    now = preview.clock()
    preview.limits.by_caller(f"preview:{ADDRESS.get()}", now.timestamp())
    form = await read_form(request)
    try:
        visitor = preview.gate.opens(form.get("key"), now=now, address=ADDRESS.get())
        if visitor.way != "admin":
            raise ForbiddenError("a key for something else", where="key")
    except AccessError:
        structlog.get_logger("algosync.serve").warning("a wrong key was tried at the preview")
        return page("login.html", 403, wrong="That is not the admin key.")
    response = RedirectResponse(PATH, 303, HEADERS)
    preview.sessions.begin(response, now=now, secure=request.url.scheme == "https")
    return response


async def _log_out(preview: Preview, request: Request) -> Response:
    await preview.form(request)
    response = RedirectResponse(LOGIN, 303, HEADERS)
    preview.sessions.end(response)
    return response


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if not is_asset(name):
        raise HTTPException(404)
    return asset(request, name)


def _guarded(preview: Preview, handler: Callable[[Preview, Request], Awaitable[Response]]) -> Handler:
    """A handler whose refusals are pages."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            if request.url.query:
                raise RequestError("takes no query string", where="url", hint="Names and keys do not belong into URLs")
            return await handler(preview, request)
        except ForbiddenError as error:
            return page("problem.html", 403, error=error)
        except AccessError as error:
            response = page("login.html", 401, wrong=f"{error.what[:1].upper()}{error.what[1:]}. {error.hint}.")
            preview.sessions.end(response)
            return response
        except AlgosyncError as error:
            return _problem(error)

    return answer


def _problem(error: AlgosyncError) -> Response:
    log = structlog.get_logger("algosync.serve")
    if isinstance(error, RequestError):
        response = page("problem.html", error.status, error=error)
    else:
        log.error("the preview cannot be shown", kind=type(error).__name__, error=str(error))
        what = "what is known cannot be read now" if isinstance(error, StoreError) else "something went wrong here"
        told = RequestError(what, hint="Try again in a moment; the server's log says why", status=503)
        response = page("problem.html", told.status, error=told)
    if error.retry_after_s is not None:
        response.headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    return response
