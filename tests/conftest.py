"""Fixtures for every test: a clean environment, the folder of real data where there is one, an application over HTTP,
a server that answers as it is told, and a PostgreSQL server of our own on a socket, for what holds on both databases.

What any test prints, or a command that it runs, is searched for the secrets of all settings.

And what makes a run of thousands of tests in one process affordable: hardly a collection of garbage, and expressions
that are compiled to SQL once.
"""

from __future__ import annotations

import gc
import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import uuid4

import pytest
import structlog
import uvicorn
from hypothesis import settings
from pydantic import SecretStr
from typer.testing import CliRunner

from tests.compiling import compile_once

ROOT = Path(__file__).parents[1]

Told = tuple[int, bytes, Mapping[str, str]]
"""Status, body and headers of an answer."""
Tell = Callable[[str, str, Mapping[str, str], bytes], Told | None]
"""Answers a request by its verb, path, headers (names in small letters) and body; None hangs up."""

# A commit is judged by the same examples each time it is checked; new ones are looked for on people's machines.
settings.register_profile("quick", max_examples=30, deadline=None, derandomize="CI" in os.environ)
settings.register_profile("thorough", max_examples=300, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """All that is imported and collected by now stays to the end: it is not looked through again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_unconfigure() -> None:
    """Nothing is held beyond the end: DuckDB tells what is left of its own then."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        compile_once(patch.setattr)
        yield


SECRET_FROM = 12
"""Characters from which on a secret is one that stands in a text for no other reason."""
_secrets: set[str] = {"shop:secret@"}
_printed: list[str] = []
_FOUND = pytest.StashKey[bool]()


def _is_a_secret(text: str) -> bool:
    """The mock's own keys are printed on purpose."""
    return len(text) >= SECRET_FROM and not text.startswith(("mock-", "MOCKAPP"))


@pytest.fixture(scope="session", autouse=True)
def _everything_printed() -> Iterator[None]:
    """Remembers every secret that any settings held, and what commands printed, in processes of their own too."""
    made, finished, invoked = SecretStr.__init__, subprocess.Popen.communicate, CliRunner.invoke

    def making(self: SecretStr, value: str) -> None:
        made(self, value)
        if isinstance(value, str) and _is_a_secret(value):
            _secrets.add(value)

    def finishing(self: Any, *given: Any, **named: Any) -> Any:
        told = finished(self, *given, **named)
        _printed.extend(text if isinstance(text, str) else text.decode(errors="replace") for text in told if text)
        return told

    def invoking(self: CliRunner, *given: Any, **named: Any) -> Any:
        done = invoked(self, *given, **named)
        _printed.append(done.output)
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SecretStr, "__init__", making)
        patch.setattr(subprocess.Popen, "communicate", finishing)
        patch.setattr(CliRunner, "invoke", invoking)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    """A test whose output, logs or commands show a secret has failed, whatever it was about."""
    report: pytest.TestReport = yield
    shown = "\n".join([*(content for _, content in report.sections), *_printed])
    _printed.clear()
    told = sorted(secret for secret in _secrets if secret in shown)
    if told and report.passed and not item.stash.get(_FOUND, False):
        item.stash[_FOUND] = True
        around = shown[max(0, shown.index(told[0]) - 200) :].partition(told[0])[0]
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} printed a secret ({told[0][:3]}…) behind: {around}"
    return report


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    structlog.contextvars.clear_contextvars()  # what a run bound to its log lines
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


@contextmanager
def answering_server(tell: Tell) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # otherwise each answer waits 40 ms for an acknowledgement

        def log_message(self, *args: Any) -> None:
            pass

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            told = tell(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            if told is None:
                self.close_connection = True
                return
            status, content, headers = told
            self.send_response(status)
            for name, value in {"content-type": "application/json; charset=UTF-8", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="session")
def answering() -> Callable[[Tell], AbstractContextManager[str]]:
    """Serves what a function answers for as long as the context lasts; gives the address."""
    return answering_server


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


@contextmanager
def running_postgresql() -> Iterator[str]:
    """A server of our own; yields its address, without a database's name."""
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


def copying_databases(server: str) -> Callable[[str | None], str]:
    """Makes another database each time, empty or as a copy of the one of an address that nobody uses."""
    from sqlalchemy import create_engine, make_url, text

    def made(like: str | None = None) -> str:
        name = f"t{uuid4().hex}"
        template = "" if like is None else f" TEMPLATE {make_url(like).database}"
        engine = create_engine(server.format("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}{template}"))
        engine.dispose()
        return server.format(name)

    return made


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a running server, without a database's name."""
    with running_postgresql() as address:
        yield address


@pytest.fixture(scope="session")
def new_postgresql_url(postgresql_server: str) -> Callable[[], str]:
    """Makes another database each time."""
    return copying_databases(postgresql_server)


@pytest.fixture
def postgresql_url(new_postgresql_url: Callable[[], str]) -> str:
    """A fresh database."""
    return new_postgresql_url()


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest) -> str:
    """Either database, empty."""
    return "sqlite" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
