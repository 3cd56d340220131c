"""What others send for the same data: `python benchmarks/side_by_side.py [--records 2000] [--venv DIR]`.

Profile records in one index, kept in line with a table: all of them for the first time, then with 1 % changed, then
with nothing changed; and all of them for the first time while the mock fails on purpose (a 503, an answer lost after
the batch was taken, a 429, five 503 in a row), followed by the next run on its schedule, without faults. Counted at the
mock: operations as Algolia bills them, bytes of bodies, of questions too. *Lost* are records that are not as they
should be, right after the faults and after that next run; *doubled* are operations beyond one for each record there.

drt-core posts batches with its REST destination and a cursor column, algoliasearch-django indexes on save (and, as
another row, by its nightly command), the plain loop hands all records to the official client's helper. They are
installed into an environment of their own, made in a temporary folder unless one is named.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from algosync.mock.algolia import MockAlgolia
from algosync.mock.server import MockServer

HERE = Path(__file__).parent
PACKAGES = ("drt-core[duckdb]==1.2.1", "algoliasearch-django==4.0.0", "algoliasearch==4.48.0")
INDEX = "profiles"
START = datetime(2026, 11, 23, 4, tzinfo=UTC)
FAULTS = ("batch:2:503", "batch:4:lost", "batch:6:429", "batch:8:x5:503")
DRT = """
name: profiles
model: "select * from profiles"
destination:
  type: rest_api
  url: "{url}/1/indexes/{index}/batch"
  method: POST
  headers: {{x-algolia-application-id: MOCKAPP, x-algolia-api-key: mock-admin, content-type: application/json}}
  body_mode: batch
  max_records_per_request: {batch}
  batch_template: >-
    {{"requests": [{{% for row in rows %}}{{"action": "updateObject",
    "body": {{"objectID": {{{{ row.objectID | tojson }}}}, "optionalFilters": {{{{ row.filters }}}}}}}}
    {{%- if not loop.last %}},{{% endif %}}{{% endfor %}}]}}
sync:
  mode: incremental
  cursor_field: updated_at
  batch_size: {batch}
  rate_limit: {{requests_per_second: 1000}}
  on_error: skip
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a program is given: a folder to keep things in, all records, and the names of those that changed."""

    place: Path
    url: str
    rows: Sequence[dict[str, Any]]
    changed: Sequence[str]
    python: str
    batch: int


Way = Callable[[Given], None]


def algosync(given: Given) -> None:
    """Plan and push with the ledger that the last run left."""
    from algosync.algolia.client import WriteClient
    from algosync.algolia.target import Target
    from algosync.payloads.encode import Payload, content_hash, dump
    from algosync.stores.state import open_state
    from algosync.sync.batches import Limits
    from algosync.sync.ledger import Ledger
    from algosync.sync.plan import plan
    from algosync.sync.push import push
    from algosync.sync.recover import recover
    from algosync.sync.sending import Manner
    from algosync.sync.there import there

    wanted = []
    for row in given.rows:
        body = dump(row)
        wanted.append(
            Payload(
                family="profiles",
                index=INDEX,
                object_id=row["objectID"],
                hash=content_hash(body),
                body=body,
                summary="",
            )
        )
    clock = lambda: datetime.now(UTC)  # noqa: E731
    target = Target(app_id="MOCKAPP", hosts=(given.url,))
    with (
        open_state("sqlite", given.place / "state", create=True) as state,
        WriteClient(target, "mock-admin") as client,
    ):
        ledger = Ledger(state.engine, target)
        recover(client, ledger, now=clock)
        drafted = plan(wanted, there(client, ledger, {}, INDEX, ["profiles"]))
        push(drafted, client, ledger, now=clock, manner=Manner(limits=Limits(records=given.batch)))


def drt(given: Given) -> None:
    """`drt run` over a DuckDB table, incremental by the column that says when a row changed."""
    import duckdb

    project = given.place / "project"
    fresh = not project.exists()
    (project / "syncs").mkdir(parents=True, exist_ok=True)
    home = given.place / "home"
    (home / ".drt").mkdir(parents=True, exist_ok=True)
    profiles = f"default:\n  type: duckdb\n  database: {project}/warehouse.duckdb\n"
    (home / ".drt" / "profiles.yml").write_text(profiles)
    (project / "drt_project.yml").write_text("name: side_by_side\nprofile: default\n")
    sync = DRT.format(url=given.url, index=INDEX, batch=given.batch)
    (project / "syncs" / "profiles.yml").write_text(sync)
    rounds = project / "round"
    number = 0 if fresh else int(rounds.read_text()) + bool(given.changed)
    rounds.write_text(str(number))
    at = (START + timedelta(days=number)).strftime("%Y-%m-%d %H:%M:%S")
    changed = set(given.changed)
    values = [(r["objectID"], json.dumps(r["optionalFilters"]), at) for r in given.rows if r["objectID"] in changed]
    with duckdb.connect(str(project / "warehouse.duckdb")) as con:
        con.execute(
            'create table if not exists profiles ("objectID" varchar primary key, filters varchar, updated_at varchar)'
        )
        if values:
            con.executemany("insert or replace into profiles values (?, ?, ?)", values)
    _run([str(Path(given.python).with_name("drt")), "run"], cwd=project, home=home)


def _peer(way: str) -> Way:
    def run(given: Given) -> None:
        rows, changed = given.place / "rows.json", given.place / "changed.json"
        rows.write_text(json.dumps(list(given.rows)))
        changed.write_text(json.dumps(list(given.changed)))
        port = given.url.rpartition(":")[2]
        _run(
            [given.python, str(HERE / "peers.py"), way, port, INDEX, str(rows), str(changed), str(given.batch)],
            cwd=given.place,
        )

    return run


def _run(command: Sequence[str], cwd: Path, home: Path | None = None) -> None:
    env = {**os.environ, "DRT_TELEMETRY_DISABLED": "1", "DO_NOT_TRACK": "1", **({"HOME": str(home)} if home else {})}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        last = [line for line in (done.stderr + done.stdout).splitlines() if any(c.isalnum() for c in line)][-1:]
        print(f"    {Path(command[0]).name} exits {done.returncode}: {' '.join(last)[:160]}", file=sys.stderr)


WAYS: dict[str, Way] = {
    "algosync": algosync,
    "drt-core": drt,
    "algoliasearch-django, on save": _peer("django_save"),
    "algoliasearch-django, algolia_reindex": _peer("django_reindex"),
    "plain loop over the official client": _peer("plain"),
}


def records(number: int) -> list[dict[str, Any]]:
    """Profile records as algosync makes them."""
    rng = random.Random(5)
    brands = [f"Brand {n}" for n in range(200)]

    def filters() -> list[list[str]]:
        return [[f"brand:{name}<score={rng.randrange(1, 20) * 100}>" for name in rng.sample(brands, 3)] for _ in "ab"]

    return [{"objectID": f"{rng.getrandbits(128):032x}", "optionalFilters": filters()} for _ in range(number)]


def measured(name: str, python: str, number: int, batch: int) -> dict[str, dict[str, int]]:
    """All rounds of one way, and those under the faults."""
    found: dict[str, dict[str, int]] = {}
    rows = records(number)
    everything = [row["objectID"] for row in rows]
    some = everything[:: max(number // max(number // 100, 1), 1)]
    newer = [
        {**row, "optionalFilters": [["brand:New<score=100>"]]} if row["objectID"] in set(some) else row for row in rows
    ]
    with MockServer() as server, tempfile.TemporaryDirectory(prefix="side-") as folder:
        place = Path(folder)

        def done(data: list[dict[str, Any]], changed: list[str], where: str) -> dict[str, int]:
            (place / where).mkdir(exist_ok=True)
            before, seen = sum(server.algolia.operations.values()), len(server.algolia.requests)
            WAYS[name](
                Given(place=place / where, url=server.url, rows=data, changed=changed, python=python, batch=batch)
            )
            asked = list(server.algolia.requests)[seen:]
            return {
                "operations": sum(server.algolia.operations.values()) - before,
                "requests": len(asked),
                "bytes": sum(request.body_bytes for request in asked),
                "differ": _differing(server, data),
            }

        _open_shop(server)
        found["100 %"] = done(rows, everything, "plain")
        found["1 %"] = done(newer, some, "plain")
        found["0 %"] = done(newer, [], "plain")
        _open_shop(server)
        server.algolia.faults.put(list(FAULTS))
        first = done(rows, everything, "faults")
        server.algolia.faults.clear()
        after = done(rows, [], "faults")
        found["faults"] = {
            "lost at first": first["differ"],
            "lost": after["differ"],
            "doubled": first["operations"] + after["operations"] - (number - after["differ"]),
        }
    return found


def _open_shop(server: MockServer) -> None:
    """An application in which the index is there, with settings, and empty."""
    server.algolia = MockAlgolia()
    server.algolia.write(INDEX, lambda index: index.settings.update({"attributesForFaceting": ["segments"]}))


def _differing(server: MockServer, rows: Sequence[dict[str, Any]]) -> int:
    there = server.algolia.content().get(INDEX, {"records": {}})["records"]
    return sum(there.get(row["objectID"]) != row for row in rows)


def table(found: dict[str, dict[str, dict[str, int]]]) -> str:
    """As the README shows it."""
    lines = [
        "| | 100 % changed | 1 % | 0 % | under faults: lost, after the next run | doubled |",
        "|---|---|---|---|---|---|",
    ]
    for name, rounds in found.items():
        sent = [rounds[share] for share in ("100 %", "1 %", "0 %")]
        cells = [f"{each['operations']:,} operations, {each['bytes']:,} bytes" for each in sent]
        faults = rounds["faults"]
        lost = f"{faults['lost at first']:,}, {faults['lost']:,}"
        lines.append(f"| {' | '.join((name, *cells, lost))} | {faults['doubled']:,} |")
    return "\n".join(lines)


def main() -> None:
    """Makes the environment, runs all of them, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=200, help="records in a request, where a program lets one say so")
    parser.add_argument("--venv", type=Path, help="an environment that holds the others; one is made without it")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        venv = given.venv or Path(folder)
        if given.venv is None:
            subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
            subprocess.run([venv / "bin" / "pip", "install", "--quiet", *PACKAGES], check=True)
        found = {name: measured(name, str(venv / "bin" / "python"), given.records, given.batch) for name in WAYS}
    print(json.dumps(found, indent=1) if given.json else table(found))


if __name__ == "__main__":
    main()
