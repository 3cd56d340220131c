"""Loading 100,000 records of 1 KB into a mock Algolia that runs in a process of its own, over HTTP on loopback.

Ours is a body made by orjson and sent as it is, in batches of 1,000 and of 10,000; the official client's save_objects
is what a shop would write. CPU seconds are those of the mock's process, peak MB what the load added to it (the records
alone are 98 MB). Wall seconds are those of sender and mock together, bodies made beforehand but for the official
client. Last stands what no mock can save: parsing the same bodies, without any server. At least 50,000 records/s are
wanted; on a busy machine the mock's CPU seconds tell whether it could.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from measure import Benchmark, Clock, Median, Outcome, peak_mb, timed

RECORDS, SIZE = 100_000, 1024
LEAST = 50_000.0
HEADERS = {
    "x-algolia-application-id": "MOCKAPP",
    "x-algolia-api-key": "mock-admin",
    "content-type": "application/json",
}

Record = dict[str, Any]


def records(number: int) -> list[Record]:
    """Products of about 1 KB each."""
    import orjson

    rng = random.Random(5)
    words = [f"word{i}" for i in range(2_000)]
    made = []
    for i in range(number):
        kind = f"kind {i % 31}"
        record: Record = {
            "objectID": f"product-{i:07d}",
            "name": " ".join(rng.choices(words, k=6)),
            "brand": f"brand {i % 50}",
            "categories": {"lvl0": f"area {i % 7}", "lvl1": f"area {i % 7} > {kind}"},
            "price": round(rng.random() * 100, 2),
            "in_stock": i % 3 > 0,
            "popularity": i % 1_000,
        }
        room = SIZE - len(orjson.dumps(record)) - len(',"description":""')
        made.append(record | {"description": " ".join(rng.choices(words, k=SIZE // 6))[:room]})
    return made


def bodies(made: list[Record], batch: int) -> list[bytes]:
    """Batches of `addObject`, ready to send."""
    import orjson

    requests = [{"action": "addObject", "body": record} for record in made]
    return [orjson.dumps({"requests": requests[at : at + batch]}) for at in range(0, len(requests), batch)]


@contextmanager
def mock() -> Iterator[tuple[int, Callable[[], dict[str, Any]]]]:
    """A mock in another process: its port, and a function that says what it holds and took so far."""
    command = [sys.executable, __file__]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask() -> dict[str, Any]:
            process.stdin.write("\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        try:
            yield int(process.stdout.readline()), ask
        finally:
            process.kill()


def _loaded(made: list[Record], send: Callable[[int], None]) -> Outcome:
    with mock() as (port, ask):
        before = ask()
        with timed() as clock:
            send(port)
        after = ask()
    assert after["records"] == len(made)
    cpu = after["cpu"] - before["cpu"]
    grown = after["peak_mb"] - before["peak_mb"]
    return Outcome(clock=Clock(cpu=cpu, wall=clock.wall), units=len(made), peak_mb=grown)


def _raw(batch: int) -> Callable[[Path, float], Outcome]:
    def variant(_place: Path, scale: float) -> Outcome:
        made = records(int(RECORDS * scale))
        ready = bodies(made, batch)

        def send(port: int) -> None:
            connection = HTTPConnection("127.0.0.1", port)
            for body in ready:
                connection.request("POST", "/1/indexes/products/batch", body, HEADERS)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200
            connection.close()

        return _loaded(made, send)

    return variant


def _official(_place: Path, scale: float) -> Outcome:
    from algoliasearch.http.hosts import Host, HostsCollection
    from algoliasearch.search.client import SearchClientSync
    from algoliasearch.search.config import SearchConfig

    made = records(int(RECORDS * scale))

    def send(port: int) -> None:
        config = SearchConfig("MOCKAPP", "mock-admin")
        config.hosts = HostsCollection([Host("127.0.0.1", "http", port)])
        config.proxies = None
        SearchClientSync.create_with_config(config).save_objects("products", made)

    return _loaded(made, send)


def _parsed(_place: Path, scale: float) -> Outcome:
    import orjson

    made = records(int(RECORDS * scale))
    ready = bodies(made, 1_000)
    before = peak_mb()
    with timed() as clock:
        for body in ready:
            orjson.loads(body)
    return Outcome(clock=clock, units=len(made), peak_mb=peak_mb() - before)


def _target(medians: Mapping[str, Median]) -> tuple[str, bool]:
    small, large = medians[SMALL], medians[LARGE]
    official, parsed = medians["official save_objects"], medians["orjson.loads alone"]
    said = (
        f"{small.rate:,.0f} and {large.rate:,.0f} records/s, at least {LEAST:,.0f} are wanted of both; save_objects "
        f"takes {official.wall / small.wall:.1f} times as long as {SMALL}, parsing alone {parsed.cpu / small.cpu:.2f} "
        "of the mock's CPU"
    )
    return said, min(small.rate, large.rate) >= LEAST


def serve() -> None:
    """Be the mock: print the port, then a line of numbers for each line read."""
    import resource

    from algosync.mock.server import MockServer

    with MockServer() as server:
        print(server.port, flush=True)
        for _ in sys.stdin:
            used = resource.getrusage(resource.RUSAGE_SELF)
            held = sum(len(index.records) for index in server.algolia.indices.values())
            told = {"cpu": used.ru_utime + used.ru_stime, "peak_mb": peak_mb(), "records": held}
            print(json.dumps(told), flush=True)


SMALL, LARGE = "orjson, batches of 1,000", "orjson, batches of 10,000"

BENCHMARK = Benchmark(
    name="mock",
    title="loading records of 1 KB into the mock over HTTP",
    unit="records",
    variants={
        SMALL: _raw(1_000),
        LARGE: _raw(10_000),
        "official save_objects": _official,
        "orjson.loads alone": _parsed,
    },
    target=_target,
)

if __name__ == "__main__":
    serve()
