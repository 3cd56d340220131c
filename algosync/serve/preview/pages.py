"""Pages: templates filled in, and the headers that keep them private and closed to other sites.

Everything that is filled in is escaped. A page loads its own style sheet and script and nothing else, from nowhere
else, and can be put into nobody's frame.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

HTML: Final = "text/html; charset=utf-8"
HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # A stricter one would have browsers send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_HERE: Final = Path(__file__).parent
_ASSETS: Final = {"preview.css": "text/css; charset=utf-8", "preview.js": "text/javascript; charset=utf-8"}


def page(name: str, status: int = 200, **values: Any) -> Response:
    """A page.

    Args:
        name: Of its template.
        status: HTTP status.
        values: What the template fills in.
    """
    body = _environment().get_template(name).render(**values)
    return Response(body, status, HEADERS, HTML)


def is_asset(name: str) -> bool:
    """Whether there is a style sheet or script of this name."""
    return name in _ASSETS


def asset(request: Request, name: str) -> Response:
    """A style sheet or script; without its body where the browser has it."""
    body, tag = _asset(name)
    headers = {
        "cache-control": "no-cache",
        "etag": tag,
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "same-origin",
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, _ASSETS[name])


@cache
def _asset(name: str) -> tuple[bytes, str]:
    body = (_HERE / "assets" / name).read_bytes()
    return body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "moment": moment, "share": share, "movement": movement, "clock": clock_time}
    made.filters["pretty"] = pretty
    return made


def number(value: float, digits: int = 0) -> str:
    """A number with thousands set apart."""
    return f"{value:,.{digits}f}"


def share(part: float, whole: float) -> str:
    """A share in per cent; a dash of nothing."""
    return f"{part / whole:.1%}".replace("%", " %") if whole else "–"


def moment(value: str | datetime) -> str:
    """A moment as people read it, in UTC."""
    read = datetime.fromisoformat(value) if isinstance(value, str) else value
    at = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def clock_time(value: datetime) -> str:
    """The time of day, to the second."""
    return f"{value.astimezone(UTC):%H:%M:%S}"


def pretty(document: Any) -> str:
    """A document as indented JSON."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def movement(card: Any) -> Mapping[str, str]:
    """How a hit moved, as a class, a sign and words."""
    if card.other is None:
        return {"kind": "up", "sign": "+", "words": "new here"}
    if card.moved > 0:
        return {"kind": "up", "sign": "▲", "words": f"up {card.moved}, was {card.other}"}
    if card.moved < 0:
        return {"kind": "down", "sign": "▼", "words": f"down {-card.moved}, was {card.other}"}
    return {"kind": "same", "sign": "=", "words": "same place"}
