"""Fixtures for every test: a clean environment, the folder of real data where there is one, an application over HTTP,
and a PostgreSQL server of our own on a socket, for what must hold on both databases.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import uuid4

import pytest
import uvicorn
from hypothesis import settings

ROOT = Path(__file__).parents[1]

settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("thorough", max_examples=300, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith(("ALGOLIA_", "ALGOSYNC_")) and n != "ALGOSYNC_TEST_DATA"]:
        monkeypatch.delenv(name)


class _Listening(uvicorn.Server):
    """uvicorn that tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@contextmanager
def _on_loopback(app: Any) -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = _Listening(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert server.listens.wait(30), "the application does not answer"
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def on_loopback() -> Callable[[Any], AbstractContextManager[int]]:
    """Serves an ASGI application over real HTTP for as long as the context lasts; gives the port."""
    return _on_loopback


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; tests that need it are skipped where it is absent."""
    folder = (ROOT / os.environ.get("ALGOSYNC_TEST_DATA", "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip("no real data: set ALGOSYNC_TEST_DATA to a folder that holds rees46/ and bestbuy/")
    return folder


def _unprivileged() -> dict[str, int]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid}
    pytest.skip("PostgreSQL does not run as root, and there is no other user")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a running server, without a database's name."""
    pytest.importorskip("psycopg")
    missing = [tool for tool in ("initdb", "pg_ctl") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no PostgreSQL here: {', '.join(missing)} not found")
    who = _unprivileged()
    place = Path(mkdtemp(prefix="pg-", dir="/tmp"))
    if who:
        os.chown(place, who["user"], who["group"])
    data = place / "data"

    def run(*command: str | Path) -> None:
        subprocess.run(command, check=True, capture_output=True, cwd=place, **who)

    options = f"-c listen_addresses='' -c unix_socket_directories={place} -c fsync=off"
    try:
        run("initdb", "-D", data, "-U", "shop", "-A", "trust", "--no-sync", "-E", "UTF8")
        run("pg_ctl", "-D", data, "-w", "-l", place / "log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://shop:secret@/{{}}?host={place}"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql_server: str) -> str:
    """A fresh database."""
    from sqlalchemy import create_engine, text

    name = f"t{uuid4().hex}"
    engine = create_engine(postgresql_server.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return postgresql_server.format(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest) -> str:
    """Either database, empty."""
    return "sqlite" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
