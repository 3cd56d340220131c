"""A zygote and a mock for all tests here: to load everything takes longer than a case."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from algosync.mock.server import MockServer

from .driver import Zygote
from .receiver import SECRET, Receiver, receiving


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """Forks processes; what they print goes into a file, which must hold no key."""
    log = tmp_path_factory.mktemp("zygote") / "log"
    with Zygote(log) as made:
        yield made
    printed = log.read_text(encoding="utf-8")
    assert not [key for key in ("mock-write", "mock-admin", "a secret of the shop's own", SECRET) if key in printed]


@pytest.fixture(scope="session")
def server() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening
