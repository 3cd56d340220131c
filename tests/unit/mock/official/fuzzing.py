"""Requests that were valid once: bodies, addresses, headers and keys changed at random, down to the bytes."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import re
from base64 import b64encode
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

from hypothesis import strategies as st

from .calls import CASES, Case
from .shop import SEARCH, SETTINGS

Draw = Callable[[st.SearchStrategy[Any]], Any]

WORDS = (
    *("", "a", "products", "other", "empty", "new", "*", "title", "brand", "brand:acme", "brand:-acme<score=70000>"),
    *("price", "price>=1e999", "price:1 TO", "NOT", "(", ")", "AND", "brand:", ":x", "-", "_operation", "value"),
    *("Increment", "IncrementFrom", "AddUnique", "Remove", "objectID", "desc(price)", "asc()", "searchable(brand)"),
    *("filterOnly(", "categories.lvl0", "stock.web.north", "{facet:brand}", '"', "\\", "\x00", "\ud800", "😀", "ﬃ"),
    *("null", "true", "false", "-1", "01", "1e5", "NaN", "none", "query=a&page=9", "%", "%ff", "a" * 600, "1" * 40),
    *("clear", "delete", "addObject", "copy", "move", "facet", "trending-facets", "spare", "mock-read", "1", "0"),
)
NAMES = tuple(dict.fromkeys((*SEARCH, *SETTINGS, "params", "cursor", "indexName", "facetQuery", "body", "action")))
NUMBERS = (0, 1, -1, 2, 999, 1001, 65536, 2**31, 2**53 + 1, 2**63, -(2**64), 10**30, 10**400)
FLOATS = (0.0, -0.0, 0.5, 1e308, -1e-308, float("nan"), float("inf"), float("-inf"))

words = st.sampled_from(WORDS) | st.text(max_size=8)
scalars = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from(FLOATS) | st.integers() | words
names = st.sampled_from(NAMES) | words
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=8
)


class Twin(str):
    """A name that may stand in an object twice."""

    __slots__ = ()
    __hash__ = object.__hash__
    __eq__ = object.__eq__


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to everything inside of a JSON value, itself first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(each for name, held in inner for each in places(held, (*place, name)))]


def at(value: Any, place: tuple[Any, ...]) -> Any:
    """What stands there."""
    for name in place:
        value = value[name]
    return value


_MARK = re.compile(r'"\\u0001(\d+)\\u0001(.)\\u0001(.*?)\\u0001"')


def _nested(value: Any, depth: int, name: str) -> str:
    """A mark that `_text` puts the value inside of so many arrays or objects for."""
    return f"\x01{depth}\x01{name}\x01{json.dumps(value)}\x01"


@st.composite
def _retyped(draw: Draw, value: Any) -> Any:
    changes: list[Callable[[], Any]] = [
        lambda: [value],
        lambda: {"a": value},
        lambda: [[value, value]],
        lambda: json.dumps(value),
        lambda: draw(values),
        lambda: draw(scalars),
        lambda: _nested(value, draw(st.sampled_from([3, 60, 130, 300, 700, 1100, 5000])), draw(st.sampled_from("[{"))),
    ]
    if isinstance(value, list):
        changes += [lambda: value * draw(st.sampled_from([2, 30, 400])), lambda: value[0] if value else None]
    if isinstance(value, str):
        changes += [lambda: value * 3, lambda: value + draw(words), lambda: draw(words) + value, lambda: value[::-1]]
    if isinstance(value, int | float):
        changes += [lambda: -value, lambda: value + 0.5, lambda: str(value), lambda: value * 10**9]
    return draw(st.sampled_from(changes))()


@st.composite
def _changed(draw: Draw, body: Any) -> Any:
    whole = [deepcopy(body)]
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(places(whole)[1:]))
        holder, name = at(whole, place[:-1]), place[-1]
        match draw(st.sampled_from(["retype", "retype", "retype", "drop", "twin", "add", "swap"])):
            case "drop":
                del holder[name]
                whole = whole or [None]
            case "twin" if isinstance(holder, dict):
                holder[Twin(name)] = draw(_retyped(holder[name]))
            case "add" if isinstance(holder, dict):
                holder[draw(names)] = draw(values)
            case "swap":
                holder[name] = deepcopy(at(whole, draw(st.sampled_from(places(whole)))))
            case _:
                holder[name] = draw(_retyped(holder[name]))
    return whole[0]


def _text(body: Any) -> str:
    return _MARK.sub(_deep, json.dumps(body))


def _deep(mark: re.Match[str]) -> str:
    depth, name, inner = mark.groups()
    opened, closed = ("[", "]") if name == "[" else ('{"a":', "}")
    return opened * int(depth) + inner.replace('\\"', '"') + closed * int(depth)


@st.composite
def _bytes(draw: Draw, body: Any) -> bytes:
    text = draw(st.sampled_from([_text, _text, _text, lambda value: json.dumps(value, ensure_ascii=False, indent=1)]))
    raw = bytearray(text(body).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 3]))):
        place = draw(st.integers(0, len(raw)))
        raw[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    if draw(st.integers(0, 40)) == 0:
        del raw[draw(st.integers(0, len(raw))) :]
    return bytes(raw)


@dataclass(frozen=True)
class Sent:
    """A request as it goes over the wire."""

    method: str
    path: bytes
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def secured(parent: str, restrictions: str) -> str:
    """A secured key."""
    signed = hmac.new(parent.encode(), restrictions.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
    return b64encode(f"{signed}{restrictions}".encode("utf-8", "replace")).decode()


@st.composite
def _pairs(draw: Draw, base: dict[str, Any]) -> str:
    pairs = [(name, str(value)) for name, value in base.items()]
    extra = st.tuples(names, words | st.sampled_from(["true", "0", "[", '["a"]', "[1]", "null"]))
    pairs += draw(st.lists(extra, max_size=2))
    coded = draw(st.sampled_from([quote_plus, quote_plus, lambda text, **_: quote(text, errors="replace")]))
    return "&".join(f"{coded(name, errors='replace')}={coded(value, errors='replace')}" for name, value in pairs)


@st.composite
def _keys(draw: Draw) -> str:
    kind = draw(st.integers(0, 11))
    if kind == 0:
        return draw(st.sampled_from(["", "wrong", "mock-read", "mock-write", "spare", "=", "ÿ", "Zm9v"]))
    if kind == 1:
        forced = {"filters": "brand:acme", "restrictIndices": "prod*", "userToken": "anna"}
        return secured("mock-read", draw(_pairs(forced)))
    return "mock-admin"


@st.composite
def _headers(draw: Draw) -> dict[str, str]:
    headers = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": draw(_keys())}
    headers["content-type"] = draw(
        st.sampled_from(["application/json", "text/plain", "application/x-www-form-urlencoded", "a/b; charset=utf-7"])
    )
    odd = st.sampled_from(["referer", "origin", "accept-encoding", "x-forwarded-for", "x-algolia-usertoken", "range"])
    return headers | draw(st.dictionaries(odd, st.text(st.characters(max_codepoint=255), max_size=9), max_size=1))


@st.composite
def _paths(draw: Draw, path: str) -> str:
    parts = path.split("/")
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(1, len(parts) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                del parts[place]
            case 1:
                parts.insert(place, draw(st.sampled_from(["", "..", "*", "%2F", "%FF%00", "%"])))
            case _:
                parts[place] = draw(st.sampled_from(["%", "%ED%A0%80"]) | words.map(_percent))
    return "/".join(parts)


def _percent(text: str) -> str:
    return quote(text, safe="*", errors="replace")


def _packed(draw: Draw, headers: dict[str, str], body: bytes) -> bytes:
    kind = draw(st.integers(0, 20))
    if kind < 3:
        headers["content-encoding"] = ["gzip", "x-gzip", "GZIP "][kind]
        packed = gzip.compress(body, 1)
        return packed[: -draw(st.sampled_from([1, 4, 9]))] if draw(st.integers(0, 2)) == 0 else packed
    if kind == 3:
        headers["content-encoding"] = draw(st.sampled_from(["gzip", "deflate", "br", "identity", "gzip, gzip", ""]))
    return body


@st.composite
def requests(draw: Draw, cases: list[Case] | None = None) -> Sent:
    """A request to any route."""
    case: Case = draw(st.sampled_from(cases or [case for _, case in CASES]))
    given = case.body if case.body is not None or draw(st.integers(0, 9)) else draw(values)
    body = b"" if given is None else draw(_bytes(draw(_changed(given))))
    headers = draw(_headers())
    body = _packed(draw, headers, body)
    method = draw(st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS"] + [case.method] * 60))
    return Sent(
        method=method,
        path=draw(_paths(case.path)).encode("ascii", "replace"),
        query=draw(_pairs(dict(case.query))).encode("ascii", "replace") if draw(st.booleans()) else b"",
        headers=tuple((name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()),
        body=body,
    )
