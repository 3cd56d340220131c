"""Sending what waits, to receivers over real HTTP that answer in every way there is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import socketserver
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from algosync.operate.webhooks import (
    FAILURES_MAX,
    LONGEST_S,
    NOBODY_AFTER,
    Hands,
    Receiver,
    body_of,
    deliver_due,
    overview,
    pause_s,
    signature,
)
from algosync.stores.outbox import Letter, Outbox
from algosync.stores.state import memory_state

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEYS = (b"a key of 24 bytes, no less", b"another key while they change")


@dataclass
class Place:
    """Receivers, and what they were sent."""

    state: Any
    now: datetime = NOW
    withheld: dict[str, str] = field(default_factory=dict)
    url: str = ""
    answers: list[Any] = field(default_factory=list)
    requests: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    ticks: list[float] = field(default_factory=lambda: [0.0])

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.state)

    def tell(self, verb: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        self.requests.append((headers, body))
        answer = self.answers.pop(0) if self.answers else 204
        return (answer, b"", {}) if isinstance(answer, int) else answer

    def receiver(self, name: str = "crm", **more: Any) -> Receiver:
        return Receiver(name=name, **{"url": f"{self.url}/{name}", "keys": KEYS[:1], **more})

    def put(self, *numbers: int, target: str = "crm", kind: str = "entered:books") -> None:
        self.outbox.put(
            Letter(
                occurrence=f"msg_{number}",
                target=target,
                kind=kind,
                doc={"at": NOW.isoformat(), "data": {"segment": "books", "userTokens": [f"user-{number}"]}},
                created_at=self.now + timedelta(seconds=number),
                due_at=self.now,
            )
            for number in numbers
        )

    def deliver(self, *receivers: Receiver, within_s: float = 60) -> Any:
        hands = Hands(
            outbox=self.outbox,
            refusals=lambda people: [self.withheld.get(tokens[0]) for tokens in people],
            clock=lambda: self.now,
            jitter=lambda: 0.0,
            ticks=lambda: self.ticks.pop(0) if len(self.ticks) > 1 else self.ticks[0],
        )
        return deliver_due(receivers or [self.receiver()], hands, within_s=within_s)

    def statuses(self) -> dict[str, str]:
        return {one.occurrence: one.status for one in self.outbox.listed()}

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.requests]


@pytest.fixture
def place(tmp_path: Path, answering):
    with memory_state(tmp_path) as state:
        made = Place(state=state)
        with answering(made.tell) as made.url:
            yield made


def test_the_signature_is_that_of_standard_webhooks():
    # The example of https://github.com/standard-webhooks/standard-webhooks: its secret, id, time, body and signature.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signature([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_request_is_signed_by_every_key_and_its_body_is_versioned(place):
    place.put(1)
    place.deliver(place.receiver(keys=KEYS, headers={"Authorization": "Bearer of-the-crm"}))
    ((headers, body),) = place.requests
    assert json.loads(body) == {
        "type": "entered",
        "version": 1,
        "timestamp": "2026-11-23T12:00:00+00:00",
        "data": {"segment": "books", "userTokens": ["user-1"]},
    }
    assert headers["content-type"] == "application/json"
    assert headers["authorization"] == "Bearer of-the-crm"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    content = b"msg_1." + headers["webhook-timestamp"].encode() + b"." + body
    expected = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in KEYS]
    assert headers["webhook-signature"] == " ".join(f"v1,{one}" for one in expected)


def test_what_was_delivered_is_not_sent_again(place):
    place.put(1, 2, 3)
    assert place.deliver()["crm"].delivered == 3
    assert place.deliver() == {}
    assert place.ids() == ["msg_1", "msg_2", "msg_3"]
    assert set(place.statuses().values()) == {"delivered"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (500, "HTTP 500 Internal Server Error"),
        (404, "HTTP 404 Not Found"),
        (599, "HTTP 599"),
        ((302, b"", {"location": "http://127.0.0.1:1/elsewhere"}), "redirects are not followed"),
        (None, "broke off"),
    ],
)
def test_anything_but_2xx_is_tried_again_with_the_same_id_and_body(place, answer, said):
    place.put(1)
    place.answers = [answer]
    found = place.deliver()["crm"]
    assert (found.delivered, found.failed) == (0, 1)
    assert said in found.error
    assert place.deliver() == {}
    place.now += timedelta(seconds=pause_s(1, 0.0))
    assert place.deliver()["crm"].delivered == 1
    (first, second) = place.requests
    assert first[0]["webhook-id"] == second[0]["webhook-id"] == "msg_1"
    assert first[1] == second[1]
    assert first[0]["webhook-timestamp"] != second[0]["webhook-timestamp"]


def test_gone_is_given_up_at_once(place):
    place.put(1, 2)
    place.answers = [410]
    assert place.deliver()["crm"].given_up == 1
    assert place.statuses() == {"msg_1": "given_up", "msg_2": "delivered"}


def test_a_receiver_that_asks_to_wait_is_left_alone_so_long(place):
    place.put(1, 2)
    place.answers = [(429, b"", {"retry-after": "3600"})]
    place.deliver()
    assert place.ids() == ["msg_1"]
    place.now += timedelta(seconds=3599)
    assert place.deliver() == {}
    place.now += timedelta(seconds=1)
    assert place.deliver()["crm"].delivered == 2
    assert place.outbox.rest("crm") is None


def test_nobody_is_waited_for_longer_than_the_longest_pause(place):
    place.put(1)
    place.answers = [(503, b"", {"retry-after": "999999999"})]
    place.deliver()
    rest = place.outbox.rest("crm")
    assert rest is not None
    assert rest.until == NOW + timedelta(seconds=LONGEST_S)


def test_pauses_double_up_to_the_longest_and_jitter_shortens_them():
    assert [pause_s(tries, 0.0) for tries in (1, 2, 3)] == [20, 40, 80]
    assert pause_s(60, 0.0) == LONGEST_S
    assert pause_s(3, 1.0) == 40


def test_a_dead_receiver_is_asked_little_and_everything_is_given_up_in_the_end(place):
    place.put(*range(20))
    place.answers = [500] * 1000
    for _ in range(200):
        place.deliver()
        place.now += timedelta(hours=1)
    assert set(place.statuses().values()) == {"given_up"}
    assert len(place.requests) < 150
    (standing,) = overview(place.outbox, ["crm"], place.now)
    assert (standing["given_up"], standing["waiting"]) == (20, 0)
    assert standing["error"].startswith("HTTP 500")


def test_a_receiver_that_fails_is_left_alone_after_a_few_letters(place):
    place.put(*range(10))
    place.answers = [500] * 10
    assert place.deliver()["crm"].failed == FAILURES_MAX
    assert len(place.requests) == FAILURES_MAX


def test_one_poisonous_letter_keeps_no_other_back(place):
    place.put(1, 2, 3)
    place.answers = [500, 204, 204]
    assert place.deliver()["crm"].delivered == 2
    place.put(4)
    place.now += timedelta(minutes=1)
    place.answers = [204, 500]
    place.deliver()
    assert place.ids()[-2:] == ["msg_4", "msg_1"]


def test_a_slow_receiver_holds_nobody_up(place, answering):
    """The slow one answers only once the other has everything: one after the other they would never end."""
    others = Event()

    def slow(*_: Any) -> Any:
        assert others.wait(30)
        return 204, b"", {}

    def counting(verb: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        told = place.tell(verb, path, headers, body)
        if len(place.requests) == 3:
            others.set()
        return told

    with ExitStack() as stack:
        late, prompt = (stack.enter_context(answering(tell)) for tell in (slow, counting))
        place.put(0, target="slow")
        place.put(1, 2, 3)
        done = place.deliver(place.receiver("slow", url=late), place.receiver(url=prompt))
    assert (done["slow"].delivered, done["crm"].delivered) == (1, 3)


def test_an_answer_that_does_not_come_is_not_waited_for(place):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        place.put(1)
        found = place.deliver(place.receiver(url=url, timeout_s=0.05))["crm"]
    assert found.error == "no answer within 0.05 s"


def test_an_answer_that_never_ends_is_not_read_to_its_end(place):
    place.put(1, 2)
    place.answers = [(200, b"x" * 10_000_000, {}), (200, b"ok", {})]
    assert place.deliver()["crm"].delivered == 2


def test_a_status_is_an_answer_though_the_rest_breaks_off(place):
    class Half(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    place.put(1)
    with socketserver.TCPServer(("127.0.0.1", 0), Half) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        found = place.deliver(place.receiver(url=f"http://127.0.0.1:{server.server_address[1]}"))["crm"]
        thread.join()
    assert (found.delivered, found.error) == (1, None)


def test_no_connection_is_no_loss(place):
    place.put(1)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    found = place.deliver(place.receiver(url=f"{url}/secret-path"))["crm"]
    assert "ConnectError" in found.error
    assert "secret-path" not in found.error
    assert place.statuses() == {"msg_1": "waiting"}


def test_whoever_may_not_be_named_any_more_is_not_sent_and_forgotten(place):
    place.put(1, 2)
    place.withheld = {"user-1": "consent was withdrawn"}
    found = place.deliver()["crm"]
    assert (found.withheld, found.delivered) == (1, 1)
    assert place.ids() == ["msg_2"]
    (withheld,) = [one for one in place.outbox.listed() if one.status == "withheld"]
    assert withheld.doc == {}


def test_what_names_nobody_is_sent_without_asking(place):
    letter = Letter(
        occurrence="msg_f", target="crm", kind="failure", doc={"at": "now", "data": {}}, created_at=NOW, due_at=NOW
    )
    place.outbox.put([letter])
    place.withheld = dict.fromkeys(map(str, range(3)), "no")
    assert place.deliver()["crm"].delivered == 1
    assert json.loads(body_of(letter)) == {"type": "failure", "version": 1, "timestamp": "now", "data": {}}


def test_no_request_begins_once_time_is_up(place):
    place.put(*range(10))
    place.ticks = [0.0, 1.0, 1.0, 1.0, 99.0]
    assert place.deliver(within_s=5)["crm"].delivered == 2
    assert sorted(place.statuses().values()) == ["delivered"] * 2 + ["waiting"] * 8


def test_what_another_sender_has_taken_is_left_to_it(place):
    place.put(1, 2)
    (first, _) = place.outbox.due("crm", NOW, 10)
    due = Outbox.due

    class Late(Outbox):
        """Finds what was due a moment ago."""

        def due(self, target: str, now: datetime, limit: int) -> list[Letter]:
            found = due(self, target, now, limit)
            place.outbox.claim(first, NOW + timedelta(minutes=1))
            return found

    hands = Hands(outbox=Late(place.state), refusals=lambda p: [None] * len(p), clock=lambda: NOW, jitter=lambda: 0.0)
    deliver_due([place.receiver()], hands, within_s=60)
    assert place.ids() == ["msg_2"]


def test_what_waits_for_a_webhook_that_is_gone_is_given_up_after_some_days(place):
    place.put(1, target="gone")
    place.deliver()
    assert place.statuses() == {"msg_1": "waiting"}
    place.now += NOBODY_AFTER + timedelta(hours=1)
    place.deliver()
    assert place.statuses() == {"msg_1": "given_up"}
    (crm, gone) = overview(place.outbox, ["crm"], place.now)
    assert (crm["configured"], gone["configured"], gone["webhook"]) == (True, False, "gone")


def test_nothing_secret_is_in_a_receivers_repr(place):
    said = repr(place.receiver(headers={"Authorization": "Bearer of-the-crm"}))
    assert place.url not in said
    assert "of-the-crm" not in said
    assert "no less" not in said
