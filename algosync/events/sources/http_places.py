"""Where reading an API stands: the cursor of an HTTP source, and the address of the page to ask for next.

A cursor holds no secret of ours, even where the API repeats one in its links: a placeholder stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urljoin, urlsplit, urlunsplit

import orjson

from algosync.errors import SourceError

By = Literal["link", "url", "token", "offset", "page"]
Value = str | int | float

_VERSION: Final = 1
_PORTS: Final = {"http": 80, "https": 443}
_TELLING: Final = 6  # characters; a shorter value of a query is no secret, and hiding it would garble messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How one page leads to the next.

    Args:
        by: `link`: the header `Link: <…>; rel="next"`; `url`: a URL in the answer; `token`: a token in the answer, for
            a query parameter; `offset`: the number of rows before the page; `page`: its number.
        field: Where in a JSON answer the URL or token stands, `a.b` for b of the object a; or
        header: the header it stands in.
        parameter: The query parameter of a token, an offset or a page number.
        first: The first offset or page number.
        more: Where in a JSON answer it stands whether there is more; the next page's place may be told all the same.
    """

    by: By = "link"
    field: str | None = None
    header: str | None = None
    parameter: str = ""
    first: int = 0
    more: str | None = None

    @property
    def counted(self) -> bool:
        """Whether pages are counted here, rather than named by the API."""
        return self.by in ("offset", "page")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many rows of a page to ask for, and by which query parameter."""

    parameter: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where reading stands. One pass goes from the first page to one without a next; it may take several runs.

    Args:
        at: The page to ask for: path and query of a link, a token, an offset or a page number; None is the first.
        since: The value that this pass asks from.
        high: The highest value seen so far, for the next pass.
        last: Digest of the last page that had rows.
        form: What `at` means; another one makes it meaningless.
    """

    at: str | int | None = None
    since: Value | None = None
    high: Value | None = None
    last: str = ""
    form: str = ""

    @classmethod
    def load(cls, cursor: str | None, form: str, secrets: Mapping[str, str], *, where: str) -> Place:
        """Read a cursor; one of another form of paging keeps its values, not its page.

        Raises:
            SourceError: It is another kind of source's.
        """
        if cursor is None:
            return cls(form=form)
        try:
            document = orjson.loads(cursor)
            if document.pop("version") != _VERSION or document.pop("type") != "http":
                raise ValueError
            place = cls(**document)
        except (ValueError, KeyError, TypeError, AttributeError):
            hint = "Was another kind of source of this name read before? Give this one a new name"
            raise SourceError("the stored cursor is not one of an HTTP source", where=where, hint=hint) from None
        if place.form != form:
            return replace(place, at=None, form=form)
        return replace(place, at=_unveiled(place.at, secrets)) if isinstance(place.at, str) else place

    def dump(self, secrets: Mapping[str, str]) -> str:
        """Return the cursor as JSON text."""
        at = _veiled(self.at, secrets) if isinstance(self.at, str) else self.at
        return orjson.dumps({"version": _VERSION, "type": "http", **asdict(replace(self, at=at))}).decode()


def form_of(paging: Paging, size: Size | None) -> str:
    """Return what the page of a cursor means; page numbers mean something only with the size of a page."""
    named = f"{paging.by} {paging.parameter}".rstrip()
    return f"{named} of {size.rows}" if size is not None and paging.by == "page" else named


def query_secrets(url: str) -> dict[str, str]:
    """Return what the query of a URL from the settings holds that may be secret, by the names of its parameters."""
    return {f"url.{name}": value for name, value in parse_qsl(urlsplit(url).query) if len(value) >= _TELLING}


def hidden(text: str, secrets: Mapping[str, str]) -> str:
    """Return a text for people, without secrets."""
    for value in sorted(secrets.values(), key=len, reverse=True):
        for written in _written(value):
            text = text.replace(written, "***")
    return text


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of a URL.

    Raises:
        ValueError: It is none.
    """
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def with_parameters(url: str, parameters: Mapping[str, Value]) -> str:
    """Return a URL with these query parameters in the place of those of the same names."""
    if not parameters:
        return url
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in parameters]
    query = urlencode([*kept, *((name, str(value)) for name, value in parameters.items())])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def within(url: str, base: str, at: str | None = None) -> str | None:
    """Return path and query of a URL; None where another server is meant than that of `base`, or none at all.

    It may be relative to where it was told, `at`, or else to `base`. A key must not go elsewhere. Behind a proxy that
    ends TLS, servers often call themselves http: that is no other.
    """
    try:
        whole = urljoin(base if at is None else at, url.strip())
        scheme, host, port = origin(whole)
        mine = origin(base)
    except ValueError:
        return None
    if (scheme, host, port) != mine and (scheme, host, port, mine) != ("http", mine[1], 80, ("https", mine[1], 443)):
        return None
    parts = urlsplit(whole)
    return urlunsplit(("", "", parts.path or "/", parts.query, ""))


def _written(value: str) -> set[str]:
    """A value as it may stand in texts and URLs."""
    return {value, quote(value, safe=""), quote_plus(value)}


def _veiled(text: str, secrets: Mapping[str, str]) -> str:
    # A URL holds no bare < and >, so that what stands between them can be told from its text.
    for name, value in sorted(secrets.items(), key=lambda item: -len(item[1])):
        for written in _written(value):
            text = text.replace(written, f"<{name}>")
    return text


def _unveiled(text: str, secrets: Mapping[str, str]) -> str | None:
    for name, value in secrets.items():
        text = text.replace(f"<{name}>", quote(value, safe=""))
    return None if "<" in text else text


def dug(document: Any, path: str) -> Any:
    """Return what stands at `a.b` of a JSON document; None where nothing does."""
    for name in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document
