"""A server on loopback that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import orjson
import pytest
import stamina

from algosync.algolia.target import Target


@dataclass
class Asked:
    verb: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Scripted:
    """Answers in turn; the last one is repeated. None closes the connection without an answer."""

    url: str = ""
    answers: deque = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)

    @property
    def target(self) -> Target:
        return Target(app_id="APP", hosts=(self.url,))

    def will(self, *answers) -> None:
        """Each answer is a JSON value (200), None, or (status, body, headers)."""
        self.answers = deque(answers)

    def answer(self, verb, path, headers, body):
        self.asked.append(Asked(verb, path, dict(headers), body))
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if answer is None or isinstance(answer, tuple):
            return answer
        return 200, orjson.dumps(answer), {}


@pytest.fixture
def server(answering):
    scripted = Scripted()
    with answering(scripted.answer) as scripted.url:
        yield scripted


@pytest.fixture(autouse=True)
def _no_pauses():
    with stamina.set_testing(True, attempts=4, cap=True):
        yield
