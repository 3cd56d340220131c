"""GET /algosync.js: what is served, to whom, how large it is, and what is not in it."""

from __future__ import annotations

import asyncio
import gzip
import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from algosync.serve.app import Parts, make_app
from algosync.serve.auth import Gate, Keys
from algosync.serve.browser import source, squeezed
from algosync.serve.desk import Condition
from algosync.serve.door import Door
from algosync.serve.limits import Limits

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SHOP = "https://shop.example"
RAW_MAX, GZIP_MAX = 20_000, 7_000
"""Bytes."""


class Desk:
    """A desk that nobody asks."""

    waits = False

    def answer(self, *_: Any, **__: Any) -> Any:
        raise AssertionError

    def condition(self) -> Condition:
        return Condition()


def get(**headers: str) -> httpx.Response:
    keys = Keys(public=("public-storefront",), admin="a" * 32, visitor_secrets=("s" * 32,))
    door = Door(gate=Gate(keys, lambda _: None), limits=Limits(address=None, caller=None), clock=lambda: NOW)
    transport = httpx.ASGITransport(make_app(Parts(door=door, desk=Desk(), origins=(SHOP,))))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.get("/algosync.js", headers={"accept-encoding": "identity", **headers})

    return asyncio.run(ask())


def test_anybody_gets_the_module_which_is_small_and_holds_no_key() -> None:
    response = get()
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=300, must-revalidate"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert len(response.content) <= RAW_MAX
    assert len(gzip.compress(response.content, 9)) <= GZIP_MAX
    assert not re.search("public-storefront|a{32}|s{32}", response.text)


def test_it_is_packed_for_who_takes_that() -> None:
    plain, packed = get(), get(**{"accept-encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) <= GZIP_MAX
    assert packed.text == plain.text
    assert packed.headers["etag"] != plain.headers["etag"]
    assert "Accept-Encoding" in packed.headers["vary"]
    for refused in ("gzip;q=0", "br", "gzip; q=0.0"):
        assert "content-encoding" not in get(**{"accept-encoding": refused}).headers


def test_who_has_it_gets_no_body() -> None:
    tag = get().headers["etag"]
    for held in (tag, f'"other", W/{tag}', "*"):
        again = get(**{"if-none-match": held})
        assert (again.status_code, again.content) == (304, b"")
    assert get(**{"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize("origin", [SHOP, "https://elsewhere.example"])
def test_pages_of_listed_origins_may_load_it_as_a_module(origin: str) -> None:
    response = get(origin=origin)
    assert response.headers.get("access-control-allow-origin") == (SHOP if origin == SHOP else None)
    assert "Origin" in response.headers["vary"]
    assert "Origin" in get().headers["vary"], "a shared cache must not give one origin the answer of another"


def test_squeezing_takes_comments_and_indentation_alone() -> None:
    written = "// a head\nconst a = 'b // c';\n\n  // more\n  call(a); // stays\n"
    assert squeezed(written) == b"const a = 'b // c';\ncall(a); // stays"
    # A text over several lines would be changed.
    assert all(line.count("`") % 2 == 0 for line in source().splitlines())
    assert "/*" not in source()
