"""Answers of `algosync serve` by wrk on loopback, beside a hello-world of the same framework on the same server.

500,000 profiles in SQLite. The server has one core to itself and wrk another. `answer` asks for 2,000 visitors again
and again, as pages of a visit do; in `new visitors` no key comes twice within a run. `hello world` gets the same
requests and looks at none. The units are requests: `per_wall_s` is what wrk saw, CPU is the server's alone, and the
99th percentile is of wrk's latencies.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from measure import Benchmark, Clock, Median, Outcome

PEOPLE = 500_000
REGULARS = 2_000
NEW = 60_000
CONNECTIONS = 16
SECONDS = 8
UNITS = 10_000
LEAST, AIM, P99_MOST = 0.35, 0.5, 5.0
SECRET = "a secret for benchmarks, and for nothing else"
CATEGORIES = [f"Category {n}" for n in range(40)]
BRANDS = [f"Brand {n}" for n in range(300)]
BANDS = ["0-10", "10-25", "25-50", "50-100", "100-500"]
BODIES = (
    {"where": "home"},
    {"where": "category:Category 1"},
    {"where": "category:Category 7"},
    {"where": "search", "query": "phone case"},
    {"where": "product", "objectID": "product-77"},
)
SETTINGS = """
[algolia]
app_id = "BENCHMARK"
[[algolia.indices]]
name = "products"
[state]
directory = "state"
[facets]
brand = 100
categories = 60
price_band = {{ weight = 40, from = "price", edges = [10, 25, 50, 100, 500] }}
[segments]
file = "{config}/segments.json"
affinity_facet = "categories"
[actions]
file = "{config}/actions.json"
[serve]
visitor_secrets = ["{secret}"]
per_address = {{ per_second = 1000000, burst = 1000000 }}
per_visitor = {{ per_second = 1000000, burst = 1000000 }}
"""
LUA = """
local requests, place = {}, 0
for line in io.lines("FILE") do
  local key, body = line:match("^(%S+) (.*)$")
  requests[#requests + 1] = wrk.format("POST", "/v1/experience",
    {["authorization"] = "Bearer " .. key, ["content-type"] = "application/json"}, body)
end
function request()
  place = place % #requests + 1
  return requests[place]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("\\nOUT {\\"requests\\": %d, \\"us\\": %d, \\"p99_us\\": %d, \\"errors\\": %d}\\n",
    summary.requests, summary.duration, latency:percentile(99),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


def _person(number: int, dice: random.Random) -> dict[str, Any]:
    taste = {
        "brand": {name: dice.randint(1, 20) for name in sorted(dice.sample(BRANDS, 4))},
        "categories": {name: dice.randint(1, 20) for name in sorted(dice.sample(CATEGORIES, 3))},
        "algosync.price_band": {name: dice.randint(1, 20) for name in sorted(dice.sample(BANDS, 2))},
    }
    events = dice.randint(1, 60)
    return {
        "person": f"person-{number}",
        "visit": dice.choice(["new", "returning"]),
        "state": dice.choice(["visitor", "user", "buyer"]),
        "authenticated": number % 3 == 0,
        "first_seen": "2026-10-01T10:00:00+00:00",
        "last_seen": "2026-11-20T10:00:00+00:00",
        "sessions": dice.randint(1, 9),
        "events": events,
        "products": events // 2,
        "ready": events > 10,
        "reason": f"{events} events, 10 are wanted",
        "affinities": taste,
        "optionalFilters": [[f"{facet}:{value}<score=2000>" for value in values] for facet, values in taste.items()],
        "segments": sorted(dice.sample(["segment1", "segment2", "cheap-books", "staff"], dice.randint(0, 2))),
        "ruleContexts": [],
    }


def _shelf(dice: random.Random) -> Iterator[tuple[str, str, str]]:
    products = [f"product-{n}" for n in range(5_000)]
    for name in ("popular", "trending"):
        yield f"{name}:everywhere", "", json.dumps(dice.sample(products, 12))
        for category in CATEGORIES:
            yield f"{name}:category", category, json.dumps(dice.sample(products, 12))
    for segment in ("segment1", "segment2"):
        yield "popular:segment", segment, json.dumps(dice.sample(products, 12))
    for product in products:
        kinds = ("related", "similar", "bought_together")
        yield "related", product, json.dumps({kind: dice.sample(products, 12) for kind in kinds})
    yield "count:products", "", "5000"
    yield from (("count:products", category, "125") for category in CATEGORIES)
    yield "declared", "products", json.dumps(["brand", "categories", "algosync.price_band", "algosync.boosts"])


def prepare(place: Path, scale: float) -> None:
    """The settings, the snapshot's tables written directly, and the requests with their keys."""
    from algosync.stores.snapshot import SNAPSHOT
    from algosync.stores.state import open_state

    dice, people = random.Random(4), max(1_000, int(PEOPLE * scale))
    config = Path(__file__).parent.parent / "config"
    (place / "algosync.toml").write_text(SETTINGS.format(config=config, secret=SECRET))
    open_state("sqlite", place / "state", create=True, book=SNAPSHOT).close()
    database = sqlite3.connect(place / "state" / SNAPSHOT.file)
    with database:
        rows = ((f"person-{n}", json.dumps(_person(n, dice), sort_keys=True)) for n in range(people))
        database.executemany("INSERT INTO people (person, doc) VALUES (?, ?)", rows)
        links = ((f"anonymous-{n}", f"person-{n}") for n in range(0, people, 3))
        database.executemany("INSERT INTO tokens (token, person) VALUES (?, ?)", links)
        database.executemany("INSERT INTO shelf (kind, name, doc) VALUES (?, ?, ?)", _shelf(dice))
        notes = [("generation", "1"), ("as_of", "2026-11-23T10:00:00+00:00")]
        database.executemany("INSERT INTO snapshot_meta (key, value) VALUES (?, ?)", notes)
    database.close()
    for name, count in (("regulars", REGULARS), ("new", NEW)):
        _write_requests(place / f"{name}.txt", dice.sample(range(people), min(count, people)))


def _write_requests(path: Path, people: list[int]) -> None:
    from algosync.experience.keys import sign

    now = datetime.now(UTC)
    with path.open("w") as file:
        for n, number in enumerate(people):
            token = f"anonymous-{number}" if number % 3 == 0 else f"person-{number}"
            key = sign(token, secrets=[SECRET], valid_for=timedelta(days=1), now=now)
            body = json.dumps({"userToken": token, **BODIES[n % len(BODIES)]})
            file.write(f"{key} {body}\n")
    path.with_suffix(".lua").write_text(LUA.replace("FILE", str(path)))


def hello(port: str) -> None:
    """The hello-world: the same framework, server, event loop and parser."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def say(_request: Request) -> Response:
        return Response(b'{"hello":"world"}', media_type="application/json")

    app = Starlette(routes=[Route("/v1/experience", say, methods=["POST"])])
    uvicorn.run(app, port=int(port), loop="uvloop", http="httptools", lifespan="off", log_config=None, access_log=False)


@contextmanager
def _serving(place: Path, kind: str, core: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, __file__, "hello", str(port)]
    if kind != "hello":
        code = "import sys; from algosync.cli.app import main; sys.exit(main())"
        settings = str(place / "algosync.toml")
        command = [sys.executable, "-c", code, "serve", "--json", "--config", settings, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            _wait(port, process)
            os.sched_setaffinity(process.pid, {core})
            yield port, process
        finally:
            process.send_signal(signal.SIGTERM)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
            if process.poll() is not None:
                break
        else:
            return
    sys.exit("the server did not start")


def _cpu_of(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_of(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def _wrk(port: int, script: Path, seconds: int, core: int) -> dict[str, float]:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}"]
    pinned = ["taskset", "-c", str(core), *command]
    out = subprocess.run(pinned, check=True, capture_output=True, text=True).stdout
    said: dict[str, float] = json.loads(out.rpartition("OUT ")[2])
    if said["errors"]:
        sys.exit(f"wrk counted {said['errors']} errors:\n{out}")
    return said


def _measured(place: Path, kind: str, asked: str) -> Outcome:
    cores = sorted(os.sched_getaffinity(0))
    with _serving(place, kind, cores[0]) as (port, process):
        _wrk(port, place / "regulars.lua", 1, cores[-1])
        before = _cpu_of(process)
        said = _wrk(port, place / f"{asked}.lua", SECONDS, cores[-1])
        cpu = _cpu_of(process) - before
        peak = _peak_of(process)
    share = UNITS / said["requests"]
    clock = Clock(cpu=cpu * share, wall=said["us"] / 1e6 * share)
    return Outcome(clock=clock, units=UNITS, peak_mb=peak, p99_ms=said["p99_us"] / 1e3)


def _hello(place: Path, _scale: float) -> Outcome:
    return _measured(place, "hello", "regulars")


def _answer(place: Path, _scale: float) -> Outcome:
    return _measured(place, "answer", "regulars")


def _new(place: Path, _scale: float) -> Outcome:
    return _measured(place, "answer", "new")


def _missing() -> str | None:
    absent = [name for name in ("wrk", "taskset") if shutil.which(name) is None]
    if absent or not Path("/proc/self/stat").exists():
        return f"there is no {' and no '.join(absent) or '/proc'} on this machine"
    return None


def _target(medians: Mapping[str, Median]) -> tuple[str, bool]:
    base, full, fresh = (medians[name] for name in ("hello world", "answer", "new visitors"))
    share, slower = full.rate / base.rate, full.p99_ms / base.p99_ms
    told = (
        f"{full.rate:,.0f} of {base.rate:,.0f} requests a second, {share:.0%} (new visitors "
        f"{fresh.rate / base.rate:.0%}); at least {LEAST:.0%} are wanted, {AIM:.0%} hoped for; "
        f"p99 {full.p99_ms:.1f} ms, {slower:.1f} times the hello-world's {base.p99_ms:.1f}, at most {P99_MOST:g}"
    )
    return told, share >= LEAST and slower <= P99_MOST


BENCHMARK = Benchmark(
    name="serve",
    title=f"POST /v1/experience with a visitor key, {CONNECTIONS} connections, one core",
    unit="requests",
    variants={"hello world": _hello, "answer": _answer, "new visitors": _new},
    target=_target,
    prepare=prepare,
    missing=_missing,
)

if __name__ == "__main__":
    {"hello": hello}[sys.argv[1]](*sys.argv[2:])
