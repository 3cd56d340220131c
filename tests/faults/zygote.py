"""A process that has everything loaded, and does what it is told in children of its own, killed where it is told.

Runs as a program of its own: reads one JSON document a line, answers each with one. Waiting costs no time in it.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import sys
import time
import traceback
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

_sleep = time.sleep
time.sleep = lambda seconds: _sleep(min(seconds, 0.001))  # before anybody has kept the real one

import orjson  # noqa: E402
import sparse_dot_topn  # noqa: E402
from ibis.backends.duckdb import Backend  # noqa: E402

from algosync.errors import AlgosyncError  # noqa: E402
from algosync.runtime.commands import Runtime  # noqa: E402
from algosync.sync.stages import Silent  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.faults.effects import Effects  # noqa: E402

TOO_LONG_S = 120
"""A child that is not done by then hangs; it ends, and says where."""


def single_threaded() -> None:
    """OpenMP's threads do not outlive a fork, and whoever waits for them waits for ever."""
    for name in ("sp_matmul", "sp_matmul_topn"):
        plain = getattr(sparse_dot_topn, name)
        alone = lambda *given, plain=plain, **named: plain(*given, **{**named, "n_threads": 1})  # noqa: E731
        setattr(sparse_dot_topn, name, alone)


def compile_once() -> None:
    """An expression equal to one that was compiled before gives the same SQL: it is most of what a tiny sync costs."""
    compiled, backend = Backend.compile, Backend()
    once = lru_cache(maxsize=None)(lambda op, limit: compiled(backend, op.to_expr(), limit=limit))

    def remembered(self: Backend, expr: Any, /, *, limit: Any = None, params: Any = None, pretty: bool = False) -> str:
        return compiled(self, expr, limit=limit, params=params, pretty=pretty) if params else once(expr.op(), limit)

    Backend.compile, Backend.db_identity = remembered, "duckdb"  # type: ignore[method-assign, assignment]


def perform(told: dict[str, Any]) -> dict[str, Any]:
    """One command in a shop's folder; errors of algosync's own are an outcome."""
    now = datetime.fromisoformat(told["now"])
    runtime = Runtime.open(Path(told["config"]), progress=Silent(), clock=lambda: now)
    try:
        return {"done": COMMANDS[told["do"]](runtime, **told.get("with", {}))}
    except AlgosyncError as error:
        return {"failed": str(error), "action": error.action}


COMMANDS = {
    "sync": lambda runtime, **given: runtime.sync(**given).document(),
    "status": lambda runtime: runtime.status(),
    "pull": lambda runtime: runtime.pull(),
    "forget": lambda runtime, user: runtime.forget(user, confirm=lambda _: True),
    "forget_pending": lambda runtime: runtime.forget_pending(),
    "retry": lambda runtime: runtime.quarantine_retry(source=None, payloads=True),
    "retention": lambda runtime: runtime.retention(),
}


def child(told: dict[str, Any], out: int) -> None:
    """What a child does; it tells each effect as it comes to it."""
    faulthandler.dump_traceback_later(TOO_LONG_S, exit=True)
    tell = lambda name: os.write(out, name.encode() + b"\n")  # noqa: E731
    Effects(Path(told["folder"]), tell, told.get("kill_at")).instrument()
    try:
        result = perform(told)
    except BaseException:  # noqa: BLE001  # the parent is told, whatever it is
        result = {"broken": traceback.format_exc()}
    os.write(out, b"=" + orjson.dumps(result, default=str, option=orjson.OPT_NON_STR_KEYS) + b"\n")


def forked(told: dict[str, Any]) -> dict[str, Any]:
    """Does it in a child, and tells how that ended."""
    into, out = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(into)
            child(told, out)
        finally:
            os._exit(0)
    os.close(out)
    with os.fdopen(into, "rb") as pipe:
        lines = pipe.read().splitlines()
    _, status, used = os.wait4(pid, 0)
    told_of = [line.decode() for line in lines if not line.startswith(b"=")]
    ended: dict[str, Any] = {"seconds": used.ru_utime + used.ru_stime, "effects": told_of}
    if os.WIFSIGNALED(status):
        return {**ended, "killed": os.WTERMSIG(status)}
    return {**ended, **orjson.loads(lines[-1][1:])}


def main() -> None:
    """Serves until its input ends."""
    single_threaded()
    compile_once()
    answers = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        told = orjson.loads(line)
        if told["do"] == "warm":
            with suppress(AlgosyncError):
                perform({**told, "do": "sync"})
            gc.collect()
            gc.freeze()
            answer = {"threads": len(list(Path("/proc/self/task").iterdir()))}
        else:
            answer = forked(told)
        os.write(answers, orjson.dumps(answer) + b"\n")


if __name__ == "__main__":
    main()
