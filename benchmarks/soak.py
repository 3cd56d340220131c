"""`algosync worker` as operators run it, for as long as one likes: `soak.py --minutes 30`, or `--rounds 10 --kills 1`.

The command runs as a process of its own, its jobs seconds apart, while events come in by a file that grows and by an
API, the shop's feed replaces products, and the mock and that API fail as planned. It is watched from outside: /proc,
/healthz, /readyz, /metrics, its log. Early on it is killed (SIGKILL) in the middle of a job, time and again, and
started anew; its last life is the long one, which is judged, and ends with SIGTERM in the middle of a push. Then the
faults are lifted, `worker --once` does what is left, and all of `kept` must be true. Exit code 1 otherwise.

Flat is a life in whose second half memory grows by no more than 3 %, and whose fewest handles and threads in its last
quarter are at most six more than in its second; see `judged` in soak_worker.py.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from soak_worker import Life, judged

sys.path.insert(0, str(Path(__file__).parents[1]))

from algosync.mock.recorder import RecordedRequest, Recorder
from algosync.mock.server import MockServer
from tests.conftest import answering_server
from tests.e2e.conftest import ALGOSYNC, COLUMNS, VISITS, Shop
from tests.faults.shops import FOREIGN, SOLD, furnished

FAULTS = (
    "write:12%:503",
    "write:10%:lost",
    "write:8%:429=0",
    "write:8%:truncated",
    "read:1%:reset",
    "read:1%:500",
    "read:2%:slow=300",
)
API_FAULTS = {5: "500", 7: "html", 11: "reset"}
"""Every so many requests to the API of events are answered so."""
PLANNED = re.compile(r"HTTP (429|500|503)|no connection|Connection reset|a page for people|no JSON|is not published")
"""What the log says of a fault that was planned."""
FIRST = "nothing has been pushed yet"
"""What /readyz says before the first push has ended."""
SCHEDULE = {
    "pull": "every 5 seconds",
    "push": "every 5 seconds",
    "catalog": "every 15 seconds",
    "related": "every 20 seconds",
    "verify": "every 30 seconds",
    "retention": "every 30 seconds",
    "jitter_seconds": 0,
}
GRACE_S = 20
PATIENCE_S = 60
"""With less, a push that Algolia throttles is cut short and left for minutes."""
KILLED_IN = ("push", "pull", "related")
KILLED_EVERY = 0.05
"""Of the whole: so early and so often."""
EVENT_EVERY, ASK_EVERY, FEED_EVERY = 3, 60, 160
"""Ticks."""
PEOPLE = 40
"""Times the visitors of the small shop."""


class Tap(Recorder):
    """Counts what is asked of the mock instead of keeping it, and finds operations that were sent twice.

    Attributes:
        asked: Requests.
        struck: Of these, how many each fault struck.
        repeated: Operations that had been done already, by the fault that struck them then.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.struck: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        self._held: dict[tuple[str, str], tuple[Any, str]] = {}

    def append(self, request: RecordedRequest) -> None:
        """Counts a request, and what it did although it was done before."""
        if request.key == "mock-admin":  # the shop's own feed: what of ours was there is to be written again
            for name, _ in _operations(request):
                self._held.pop((request.path, name), None)
            return
        self.asked += 1
        if request.fault is not None:
            self.struck[request.fault] += 1
        for name, what in _operations(request):
            before, fault = self._held.get((request.path, name), (None, ""))
            if before == what:
                self.repeated[fault] += 1
            self._held[request.path, name] = what, request.fault or "none"


def _operations(request: RecordedRequest) -> Iterator[tuple[str, Any]]:
    """By objectID what a request did."""
    if request.status != 200:
        return
    if request.operation == "batch":
        for each in request.json()["requests"]:
            yield each["body"]["objectID"], (each["action"], each["body"])
    elif request.operation == "saveRules":
        for rule in request.json():
            yield rule["objectID"], rule


class Events:
    """What happens in the shop, one event after the other: half are written to a file, half are given by an API."""

    def __init__(self, shop: Shop) -> None:
        self.sent: set[str] = set()
        self.asked = 0
        self.struck: Counter[str] = Counter()
        self.faulty = True
        self._shop = shop
        self._numbers = count()
        self._at_api: list[bytes] = []
        last = max(datetime.fromisoformat(visit["at"]) for visit in VISITS)
        self._later = datetime.now(UTC).replace(microsecond=0) - last

    def happen(self) -> None:
        """One more, of one of two hundred people, within the last days."""
        number = next(self._numbers)
        visit = VISITS[number // 2 % len(VISITS)]
        session = f"s{number}"
        event = {
            **visit,
            "at": (datetime.fromisoformat(visit["at"]) + self._later).isoformat(),
            "who": f"{visit['who']}-{number // 2 // len(VISITS) % PEOPLE}",
            "order": f"order-{number}" if "order" in visit else None,
            "session": session,
        }
        self.sent.add(session)
        if number % 2:
            self._at_api.append(orjson.dumps({**dict.fromkeys(COLUMNS.values()), **event}))
        else:
            self._shop.events([event])

    def answer(self, _verb: str, path: str, _headers: Mapping[str, str], _body: bytes) -> Any:
        """The API: pages by offset, and now and then something else."""
        self.asked += 1
        for every, fault in API_FAULTS.items():
            if self.faulty and self.asked % every == 0:
                self.struck[fault] += 1
                page = 200, b"<html>Sorry</html>", {"content-type": "text/html"}
                return {"500": (500, b"{}", {}), "html": page, "reset": None}[fault]
        found = re.search(r"offset=(\d+)", path)
        start = int(found[1]) if found else 0
        return 200, b'{"events":[' + b",".join(self._at_api[start : start + 100]) + b"]}", {}


class Soak:
    """The shop, its mock and its worker's lives.

    Args:
        place: A folder of its own.
        server: The mock.
        share: How much of the whole is done, by the rounds so far.
    """

    def __init__(self, place: Path, server: MockServer, share: Callable[[int], float]) -> None:
        self.lives: list[Life] = []
        self.ended: list[str] = []
        self.in_time = self.agrees = False
        self._place, self._server, self._share = place, server, share
        worker = {"retry_seconds": 1, "retry_max_seconds": 5, "grace_seconds": GRACE_S}
        (place / "shop").mkdir()
        self._shop = furnished(place / "shop", server, schedule=SCHEDULE, worker=worker)
        self._shop.configure(push={"patience_s": PATIENCE_S})
        (self._shop.folder / "events.jsonl").write_bytes(b"")
        self.events = Events(self._shop)
        self.tap = server.algolia.requests = Tap()
        self._theirs = sum(server.algolia.operations.values())

    @property
    def operations(self) -> int:
        """What Algolia has carried out for algosync."""
        return sum(self._server.algolia.operations.values()) - self._theirs

    def run(self, kills: int, api: str) -> None:
        """All lives, with events from that API, too."""
        common = {"columns": COLUMNS, "timezone": "UTC"}
        pages = {"rows": "events", "next": {"by": "offset"}, "size": {"parameter": "limit", "rows": 100}}
        files = {"name": "shop", "type": "files", "path": "events.jsonl", **common}
        feed = {"name": "api", "type": "http", "url": f"{api}/events", **pages, **common}
        self._shop.configure(sources=[files, feed])
        self._fail(0)
        for number in range(kills):
            with self._life() as life:
                self._live(life, KILLED_EVERY * (number + 1))
                self._end(life, signal.SIGKILL, KILLED_IN[number % len(KILLED_IN)])
        with self._life() as life:
            self._live(life, 1.0)
            # A job's line is written a moment before it is counted.
            self.agrees = any(life.agrees() for _ in range(10))
            self._end(life, signal.SIGTERM, "push")

    def _life(self) -> Life:
        command = [str(ALGOSYNC), "worker", "--config", str(self._shop.config), "--port", "0", "--json"]
        self.lives.append(Life(command, self._place, len(self.lives)))
        return self.lives[-1]

    def _end(self, life: Life, how: signal.Signals, job: str) -> None:
        life.until(job)
        code, seconds = life.end(how, GRACE_S + 10)
        self.in_time = code == 0 and seconds <= GRACE_S
        self.ended.append(f"{how.name} in {job}" + (f": {code} after {seconds:.1f} s" if how == signal.SIGTERM else ""))

    def _live(self, life: Life, share: float) -> None:
        for tick in count(1):
            life.look()
            life.rest()
            if self._share(sum(each.rounds for each in self.lives)) >= share:
                return
            if tick % EVENT_EVERY == 0:
                self.events.happen()
            if tick % ASK_EVERY == 0:
                for path in ("/healthz", "/readyz", "/metrics"):
                    life.ask(path)
            if tick % FEED_EVERY == 0:
                self._feed(tick // FEED_EVERY)

    def _fail(self, seed: int) -> None:
        self._server.algolia.faults.put({"seed": seed, "faults": list(FAULTS)})

    def _feed(self, number: int) -> None:
        """The shop's own feed replaces a product; that it might fail is not what is shown."""
        self._server.algolia.faults.clear()
        self._shop.feed([SOLD[number % len(SOLD)]])
        self._theirs += 1
        self._fail(self._theirs)

    def settle(self) -> dict[str, Any]:
        """Lifts the faults, has done what is left, and looks whether all is there."""
        self._server.algolia.faults.clear()
        self.events.faulty = False
        left = self._shop.command("worker", "--once", "catalog", "pull", "related", "push", "--json")
        again = self._shop.command("plan", "--check", "--json")
        found = json.loads(self._shop.command("verify", "--json").stdout)["found"]
        found.pop("foreign")  # FOREIGN, of which the payload index and the Rules must still have every byte
        held = self._held()
        records, rules = self._shop.records("algosync_payloads"), self._shop.content()["products"]["rules"]
        return {
            "exit codes of worker --once and plan --check": [left.returncode, again.returncode],
            "operations left": json.loads(again.stdout)["plan"]["operations"],
            "verify": found,
            "events sent, held, lost, doubled": [
                len(self.events.sent),
                sum(held.values()),
                len(self.events.sent - held.keys()),
                sum(number > 1 for number in held.values()),
            ],
            "the shop's own is as it was": records["theirs"] == FOREIGN["records"][0]
            and rules["their-rule"].items() >= FOREIGN["rule"].items(),
        }

    def _held(self) -> Counter[str]:
        """How often each event is in the log."""
        with closing(sqlite3.connect(self._shop.state / "state.sqlite")) as state:
            paths = [path for (path,) in state.execute("SELECT path FROM segments WHERE kind = 'events'")]
        tables = [pq.read_table(self._shop.state / path, columns=["session_id"]) for path in paths]
        return Counter(pa.concat_tables(tables)["session_id"].to_pylist())


def unplanned(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the log complains of, but for the planned faults and for having been told to end."""
    told = [(line["level"], str(line.get("error") or line.get("caused_by") or line["event"]))
            for line in lines if line["level"] != "info" and line.get("outcome") != "stopped"]  # fmt: skip
    return [text for level, text in told if level != "warning" or not PLANNED.search(text)]


def summary(soak: Soak, end: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth telling."""
    lines = [line for life in soak.lives for line in life.lines]
    complaints = unplanned(lines) + [line for life in soak.lives for line in life.no_json]
    jobs, answers, unready = (
        sum((getattr(life, name) for life in soak.lives), Counter[Any]()) for name in ("jobs", "answers", "unready")
    )
    long, flat = soak.lives[-1], judged(soak.lives[-1].samples)
    most = {name: max(getattr(sample, name) for sample in long.samples) for name in ("mb", "handles", "threads")}
    return {
        "rounds": sum(life.rounds for life in soak.lives),
        "jobs by outcome": {f"{job} {outcome}": number for (job, outcome), number in sorted(jobs.items())},
        "ended by": soak.ended,
        "answers": dict(sorted(answers.items())),
        "not ready": dict(unready),
        "requests to Algolia, and those that failed": [soak.tap.asked, dict(sorted(soak.tap.struck.items()))],
        "requests to the API of events, and those that failed": [soak.events.asked, dict(soak.events.struck)],
        "operations, and the least needed": [soak.operations, soak.operations - soak.tap.repeated.total()],
        "done twice, by the fault that struck the first": dict(soak.tap.repeated),
        "log lines by level": dict(Counter(line["level"] for line in lines)),
        "not planned": complaints[:5],
        "the long life": {
            "rounds": long.rounds,
            "MB at its start, middle, end, and the most": [
                *(round(flat.mb[at]) for at in (0, len(flat.mb) // 2, -1)),
                round(most["mb"]),
            ],
            "growth of that in its second half, and in each round": [
                f"{flat.growth:+.2%}",
                f"{flat.growth_kb:+.0f} KB",
            ],
            "handles in the second and last quarter, and the most": [*flat.handles, most["handles"]],
            "threads in the second and last quarter, and the most": [*flat.threads, most["threads"]],
        },
        "in the end": dict(end),
        "kept": kept(soak, end, complaints, answers, unready),
    }


def kept(
    soak: Soak,
    end: Mapping[str, Any],
    complaints: Sequence[str],
    answers: Mapping[str, int],
    unready: Mapping[str, int],
) -> dict[str, bool]:
    """Whether each promise was kept."""
    sent, held, lost, doubled = end["events sent, held, lost, doubled"]
    flat = judged(soak.lives[-1].samples)
    return {
        "every event is in the log, once": sent == held and lost == doubled == 0,
        "Algolia is as ledger and plan say": not any(
            (*end["exit codes of worker --once and plan --check"], *end["verify"].values())
        ),
        "the shop's own is as it was": end["the shop's own is as it was"],
        "the log knows planned faults alone": not complaints,
        "metrics agree with the log": soak.agrees,
        "nothing is done twice": not soak.tap.repeated,
        "ready but for planned faults, once it has pushed": all(
            reason == FIRST or PLANNED.search(reason) for reason in unready
        ),
        "always alive": {name for name in answers if name.startswith("/healthz")} == {"/healthz 200"},
        "SIGTERM is heeded in time": soak.in_time,
        "memory is flat": flat.memory_is_flat,
        "handles are flat": flat.handles_are_flat,
        "threads are flat": flat.threads_are_flat,
    }


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rounds", type=int, help="so many pushes, however long they take")
    parser.add_argument("--kills", type=int, default=3, help="how often it is killed")
    given = parser.parse_args()
    started = time.monotonic()

    def share(rounds: int) -> float:
        return rounds / given.rounds if given.rounds else (time.monotonic() - started) / 60 / given.minutes

    with tempfile.TemporaryDirectory(prefix="soak-") as place, MockServer() as server:
        soak = Soak(Path(place), server, share)
        with answering_server(soak.events.answer) as api:
            soak.run(given.kills, api)
            told = summary(soak, soak.settle())
    print(json.dumps(told, indent=1))
    return 0 if all(told["kept"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
