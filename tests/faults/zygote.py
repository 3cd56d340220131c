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
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

_sleep = time.sleep
time.sleep = lambda seconds: _sleep(min(seconds, 0.001))  # before anybody has kept the real one

sys.path.insert(0, str(Path(__file__).parents[2]))  # also what it loads is the code it lies beside

import orjson  # noqa: E402
import sparse_dot_topn  # noqa: E402

from algosync.errors import AlgosyncError, BrakeError  # noqa: E402
from algosync.runtime.commands import Runtime  # noqa: E402
from algosync.runtime.stopping import Stopping  # noqa: E402
from algosync.runtime.working import Worker  # noqa: E402
from algosync.scheduler import once  # noqa: E402
from algosync.sync.stages import Silent  # noqa: E402
from tests.compiling import compile_once  # noqa: E402
from tests.faults.effects import Effects  # noqa: E402

TOO_LONG_S = 120
"""A child that is not done by then hangs; it ends, and says where."""


def single_threaded() -> None:
    """OpenMP's threads do not outlive a fork, and whoever waits for them waits for ever."""
    for name in ("sp_matmul", "sp_matmul_topn"):
        plain = getattr(sparse_dot_topn, name)
        alone = lambda *given, plain=plain, **named: plain(*given, **{**named, "n_threads": 1})  # noqa: E731
        setattr(sparse_dot_topn, name, alone)


def perform(told: dict[str, Any]) -> dict[str, Any]:
    """One command in a shop's folder; errors of algosync's own are an outcome."""
    now = datetime.fromisoformat(told["now"])
    runtime = Runtime.open(Path(told["config"]), progress=Silent(), clock=lambda: now)
    try:
        return COMMANDS[told["do"]](runtime, **told.get("with", {}))
    except AlgosyncError as error:
        return {"failed": str(error), "action": error.action, "hash": getattr(error, "hash", None)}


def approved(runtime: Runtime, hash: str) -> dict[str, Any]:  # noqa: A002
    """What was approved is done; where it was begun before, the rest of it needs nobody's approval."""
    try:
        return runtime.sync(approve=hash).document()
    except BrakeError:
        return runtime.sync().document()


def worked(runtime: Runtime, jobs: list[str]) -> dict[str, Any]:
    """Jobs of the worker, once each; done where all of them are."""
    opening = runtime._opening
    with Worker(runtime.settings, opening.base, Stopping(20), clock=opening.clock) as worker:
        ended = once(worker, jobs)
    if failed := [f"{one.name}: {one.outcome}, {one.error}" for one in ended if one.outcome != "done"]:
        action = "stop" if any(one.outcome == "failed" for one in ended) else "retry"
        return {"failed": "; ".join(failed), "action": action}
    return {"done": {name: value for one in ended for name, value in one.report.items()}}


def _reported(work: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    return lambda runtime, **given: {"done": work(runtime, **given)}


COMMANDS = {
    "sync": _reported(lambda runtime, **given: runtime.sync(**given).document()),
    "approve": _reported(approved),
    "status": _reported(lambda runtime: runtime.status()),
    "pull": _reported(lambda runtime: runtime.pull()),
    "forget": _reported(lambda runtime, user: runtime.forget(user, confirm=lambda _: True)),
    "forget_pending": _reported(lambda runtime: runtime.forget_pending()),
    "repair": _reported(lambda runtime: runtime.verify(repair=True, confirm=lambda _: True).document()),
    "verify": _reported(lambda runtime: runtime.verify(confirm=lambda _: False).document()),
    "retry": _reported(lambda runtime: runtime.quarantine_retry(source=None, payloads=True)),
    "retention": _reported(lambda runtime: runtime.retention()),
    "work": worked,
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
        if told["here"]:
            answer = {"effects": [], "seconds": 0.0, **perform(told)}
            gc.collect()
            gc.freeze()
        else:
            answer = forked(told)
        os.write(answers, orjson.dumps(answer, default=str, option=orjson.OPT_NON_STR_KEYS) + b"\n")


if __name__ == "__main__":
    main()
