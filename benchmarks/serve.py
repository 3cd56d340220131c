"""Answers of `algosync serve` by wrk on loopback, beside a hello-world of the same framework on the same server.

500,000 profiles in SQLite. The server has one core to itself and wrk another. `hello world` gets the same requests and
looks at none; `look-up` reads a person's document and sends it, without a key or an answer. `another page` is the
full answer by a visitor key: 2,000 visitors, who ask for another page each time, as visits do. `same page` are the
same visitors asking the same again; in `new visitors` no key comes twice. `20 events` and `20 events, new` are those
who sent 20 events that no run has seen, of whom the first kind was seen before and asks for another page.

What is warm: every request was asked once before it is measured, but in `new visitors` and `20 events, new`, where
nobody was. So the keys of `another page` were verified, the visitors' documents read, their filters compiled, and the
pages' lists put together for others; her question and her answer were forgotten since, as 10,000 came in between, and
are worked out anew. The run behind the snapshot is young: an older one costs each answer a second look. Sixteen ask at
once, so that several share one look at whether anybody has written.

The units are requests. `per_wall_s` is what wrk saw, CPU is the server's alone: it holds on a busy machine too, so the
shares of the hello-world are of CPU. The 99th percentile is of wrk's latencies.

`python benchmarks/serve.py memory [REQUESTS]` asks for a million answers and shows the memory that the server holds.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import Benchmark, Clock, Median, Outcome
from serve_data import prepare

CONNECTIONS = 16
SECONDS = 6
WARM_SECONDS = 4
UNITS = 10_000
LEAST, AIM, P99_MOST = 0.35, 0.5, 5.0
EVENTS_LEAST, EVENTS_AIM = 0.2, 0.3


def hello(port: str, _place: str) -> None:
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


def look_up(port: str, place: str) -> None:
    """A person's document as it is stored, for whoever names her token."""
    import orjson
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from algosync.serve.stored import Place, Snapshots

    snapshots = Snapshots(Place(url="sqlite", directory=Path(place) / "state"))

    async def say(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        with snapshots.view() as view:
            return Response(orjson.dumps(view.person(asked["userToken"])), media_type="application/json")

    app = Starlette(routes=[Route("/v1/experience", say, methods=["POST"])])
    uvicorn.run(app, port=int(port), loop="uvloop", http="httptools", lifespan="off", log_config=None, access_log=False)


@contextmanager
def _serving(place: Path, kind: str, core: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, __file__, kind, str(port), str(place)]
    if kind == "answer":
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


def _held_by(process: subprocess.Popen[bytes], name: str = "VmHWM") -> float:
    """Megabytes by the kernel's name: VmHWM is the most that was ever held, VmRSS what is held now."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(f"{name}:")).split()[1]) / 1024


def _wrk(port: int, script: Path, seconds: int, core: int) -> dict[str, float]:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}"]
    pinned = ["taskset", "-c", str(core), *command]
    out = subprocess.run(pinned, check=True, capture_output=True, text=True).stdout
    said: dict[str, float] = json.loads(out.rpartition("OUT ")[2])
    if said["errors"]:
        sys.exit(f"wrk counted {said['errors']} errors:\n{out}")
    return said


def _warm(port: int, script: Path, core: int) -> None:
    """Every request once at least, however slow the machine is."""
    left = len(script.with_suffix(".txt").read_text().splitlines())
    while left > 0:
        left -= int(_wrk(port, script, WARM_SECONDS, core)["requests"])


def _measured(kind: str, warm: str | None, asked: str, place: Path, _scale: float) -> Outcome:
    cores = sorted(os.sched_getaffinity(0))
    with _serving(place, kind, cores[0]) as (port, process):
        if warm is not None:
            _warm(port, place / f"{warm}.lua", cores[-1])
        before = _cpu_of(process)
        said = _wrk(port, place / f"{asked}.lua", SECONDS, cores[-1])
        cpu = _cpu_of(process) - before
        peak = _held_by(process)
    share = UNITS / said["requests"]
    clock = Clock(cpu=cpu * share, wall=said["us"] / 1e6 * share)
    return Outcome(clock=clock, units=UNITS, peak_mb=peak, p99_ms=said["p99_us"] / 1e3)


def memory(requests: str = "1000000") -> None:
    """How much the server holds after each tenth of so many answers, to all kinds of visitors."""
    kinds, done, goal = ("pages", "new", "recent", "again", "cold"), 0, int(requests)
    cores = sorted(os.sched_getaffinity(0))
    with TemporaryDirectory(prefix="algosync-bench-") as folder:
        place = Path(folder)
        prepare(place, 1.0)
        with _serving(place, "answer", cores[0]) as (port, process):
            shown = -1
            while done < goal:
                for kind in kinds:
                    done += int(_wrk(port, place / f"{kind}.lua", SECONDS, cores[-1])["requests"])
                if done * 10 // goal > shown:
                    shown = done * 10 // goal
                    print(f"{done:>10,} answers  {_held_by(process, 'VmRSS'):6.0f} MB", flush=True)


def _missing() -> str | None:
    absent = [name for name in ("wrk", "taskset") if shutil.which(name) is None]
    if absent or not Path("/proc/self/stat").exists():
        return f"there is no {' and no '.join(absent) or '/proc'} on this machine"
    return None


def _target(medians: Mapping[str, Median]) -> tuple[str, bool]:
    base = medians["hello world"]
    shares = {name: base.cpu / found.cpu for name, found in medians.items()}
    pages, events = medians["another page"], medians["20 events"]
    slower = max(pages.p99_ms, events.p99_ms) / base.p99_ms
    told = (
        f"{shares['another page']:.0%} of the hello-world's answers by the same CPU, at least {LEAST:.0%} are wanted "
        f"and {AIM:.0%} hoped for; with 20 recent events {shares['20 events']:.0%}, {EVENTS_LEAST:.0%} and "
        f"{EVENTS_AIM:.0%}; p99 {slower:.1f} times the hello-world's {base.p99_ms:.1f} ms, at most {P99_MOST:g}"
    )
    enough = shares["another page"] >= LEAST and shares["20 events"] >= EVENTS_LEAST
    return told, enough and slower <= P99_MOST


BENCHMARK = Benchmark(
    name="serve",
    title=f"POST /v1/experience with a visitor key, {CONNECTIONS} connections, one core",
    unit="requests",
    variants={
        "hello world": partial(_measured, "hello", "again", "again"),
        "look-up": partial(_measured, "look_up", "again", "again"),
        "another page": partial(_measured, "answer", "pages", "pages"),
        "same page": partial(_measured, "answer", "again", "again"),
        "new visitors": partial(_measured, "answer", None, "new"),
        "20 events": partial(_measured, "answer", "recent", "recent"),
        "20 events, new": partial(_measured, "answer", None, "cold"),
    },
    target=_target,
    prepare=prepare,
    missing=_missing,
)

if __name__ == "__main__":
    commands: dict[str, Callable[..., None]] = {"hello": hello, "look_up": look_up, "memory": memory}
    commands[sys.argv[1]](*sys.argv[2:])
