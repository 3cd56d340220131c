"""What is served beside a service's work: alive whatever happens, ready or why not, and a page of metrics."""

from __future__ import annotations

import httpx
import pytest

from algosync.errors import AlgosyncError, StoreError
from algosync.serve.beside import beside_app, serving_beside
from algosync.serve.server import Address

HERE = Address(host="127.0.0.1", port=0)


def _broken():
    raise StoreError("the state database refused", where="postgresql://shop@secret-host/db")


def test_a_worker_that_is_ready():
    app = beside_app(lambda: {"ready": True, "problems": []}, lambda: b"algosync_leader 1.0\n")
    with serving_beside(app, HERE) as url, httpx.Client(base_url=url) as client:
        assert client.get("/healthz").json() == {"alive": True}
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "problems": []})
        page = client.get("/metrics")
        assert page.text == "algosync_leader 1.0\n"
        assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert client.get("/").status_code == 404
        assert client.post("/metrics").status_code == 405


def test_one_that_is_not_ready_says_why():
    app = beside_app(lambda: {"ready": False, "problems": ["push failed: x"]}, lambda: b"")
    with serving_beside(app, HERE) as url:
        ready = httpx.get(f"{url}/readyz")
    assert (ready.status_code, ready.json()["problems"]) == (503, ["push failed: x"])


def test_with_a_broken_state_it_is_alive_and_nothing_else_and_tells_no_address():
    with serving_beside(beside_app(_broken, _broken), HERE) as url, httpx.Client(base_url=url) as client:
        assert client.get("/healthz").status_code == 200
        answers = [client.get("/readyz"), client.get("/metrics")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert all("the state database refused" in answer.text for answer in answers)
    assert not any("secret-host" in answer.text for answer in answers)


def test_a_port_that_is_taken_is_named():
    app = beside_app(dict, bytes)
    with (
        serving_beside(app, HERE) as url,
        pytest.raises(AlgosyncError, match="cannot be used"),
        serving_beside(app, Address(host="127.0.0.1", port=int(url.rsplit(":", 1)[1]))),
    ):
        pytest.fail("two listen")
