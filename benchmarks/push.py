"""Sending 100,000 records of about 1.3 KB, in batches of 1,000, to a local server that accepts everything.

Ours is orjson and `WriteClient.batch`, which hands finished bodies to the official client's transporter; the others
are the official client's own ways. Read CPU seconds: the server runs in another process and is not counted, the
network is loopback, so this is what a push costs the machine that pushes. The official ways should take at least five
times our CPU.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import Benchmark, Median, Outcome, timed

RECORDS, BATCH = 100_000, 1_000
LEAST = 5.0

Record = dict[str, Any]


def _records(number: int) -> list[Record]:
    rng = random.Random(3)
    names = [f"product-{i:07d}" for i in range(20_000)]
    kinds = ("similar", "bought_together", "viewed_together", "related")
    return [
        {
            "objectID": f"product-{i:07d}",
            "algosync": {
                **{kind: rng.sample(names, 16) for kind in kinds},
                "popularity": i % 11,
                "trending": i % 7,
                "boosts": [f"segment-{i % 5}", f"segment-{i % 7}"],
                "v": f"{rng.getrandbits(128):032x}",
            },
        }
        for i in range(number)
    ]


@contextmanager
def _sink() -> Iterator[int]:
    command = [sys.executable, str(Path(__file__).with_name("sink.py"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _sent(scale: float, send: Callable[[int, list[Record]], None]) -> Outcome:
    records = _records(int(RECORDS * scale))
    with _sink() as port:
        send(port, records[:1])  # connections and imports
        with timed() as clock:
            send(port, records)
    return Outcome(clock=clock, units=len(records))


def _algosync(_place: Path, scale: float) -> Outcome:
    import orjson

    from algosync.algolia.client import WriteClient
    from algosync.algolia.target import Target

    def send(port: int, records: list[Record]) -> None:
        with WriteClient(Target(app_id="BENCH", hosts=(f"http://127.0.0.1:{port}",)), "key") as client:
            for start in range(0, len(records), BATCH):
                part = records[start : start + BATCH]
                requests = [{"action": "partialUpdateObject", "body": record} for record in part]
                client.batch("products", orjson.dumps({"requests": requests}), len(part))

    return _sent(scale, send)


def _client(port: int) -> Any:
    from algoliasearch.http.hosts import Host, HostsCollection
    from algoliasearch.search.client import SearchClientSync
    from algoliasearch.search.config import SearchConfig

    config = SearchConfig("BENCH", "key")
    config.hosts = HostsCollection([Host("127.0.0.1", "http", port)])
    return SearchClientSync.create_with_config(config)


def _partial_updates(_place: Path, scale: float) -> Outcome:
    def send(port: int, records: list[Record]) -> None:
        _client(port).partial_update_objects("products", records, create_if_not_exists=True, batch_size=BATCH)

    return _sent(scale, send)


def _plain_batches(_place: Path, scale: float) -> Outcome:
    def send(port: int, records: list[Record]) -> None:
        client = _client(port)
        for start in range(0, len(records), BATCH):
            part = [{"action": "partialUpdateObject", "body": record} for record in records[start : start + BATCH]]
            client.batch("products", {"requests": part})

    return _sent(scale, send)


def _target(medians: Mapping[str, Median]) -> tuple[str, bool]:
    ratio = medians["official partial_update_objects"].cpu / medians["algosync batch"].cpu
    return f"partial_update_objects takes {ratio:.1f} times our CPU, at least {LEAST:g} is wanted", ratio >= LEAST


BENCHMARK = Benchmark(
    name="push",
    title="sending records to a server that accepts everything",
    unit="records",
    variants={
        "algosync batch": _algosync,
        "official partial_update_objects": _partial_updates,
        "official batch, plain dict": _plain_batches,
    },
    target=_target,
)
