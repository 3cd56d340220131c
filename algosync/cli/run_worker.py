"""Runs the worker: settings in, jobs done when they are due, and beside them what says how it is."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from algosync.runtime.metrics import Metrics
from algosync.runtime.stopping import Stopping
from algosync.runtime.watching import Watch
from algosync.runtime.working import Ended, Worker
from algosync.scheduler import due_at, once, work
from algosync.serve.beside import beside_app, serving_beside
from algosync.serve.server import Address, Told
from algosync.settings.load import load
from algosync.settings.models import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How the worker runs.

    Attributes:
        config: The settings file.
        host: In place of worker.host.
        port: In place of worker.port.
        verbose: Whether everything is logged.
    """

    config: Path
    host: str | None = None
    port: int | None = None
    verbose: bool = False


def run_worker(
    options: WorkerOptions, ready: Callable[[Mapping[str, Any]], None], told: Callable[[Ended], None]
) -> None:
    """Works until it is told to end.

    Args:
        options: How.
        ready: Called with where it says how it is.
        told: Called with each run that has ended.

    Raises:
        ConfigError: The settings are wrong.
        StoreError: The state cannot be opened.
        AlgosyncError: The port is taken.
    """
    log_json(verbose=options.verbose)
    settings = load(options.config)
    own = settings.worker
    host, port = options.host or own.host, own.port if options.port is None else options.port
    stopping = Stopping(own.grace_seconds)
    with ExitStack() as stack:
        stack.enter_context(stopping.heeding())
        watch, worker = _opened(stack, settings, options.config, stopping, told)
        app = beside_app(watch.ready, watch.metrics)
        url = stack.enter_context(serving_beside(app, Address(host=host, port=port)))
        work(worker, lambda: ready({"url": url}))


def run_once(options: WorkerOptions, names: Sequence[str], told: Callable[[Ended], None]) -> list[Ended]:
    """Does jobs once: those named, or those that are due.

    Raises:
        BusyError: Another worker leads.
        ConfigError: The settings are wrong.
        StoreError: The state cannot be opened.
    """
    log_json(verbose=options.verbose)
    settings = load(options.config)
    stopping = Stopping(settings.worker.grace_seconds, code=1)
    with ExitStack() as stack:
        stack.enter_context(stopping.heeding())
        _, worker = _opened(stack, settings, options.config, stopping, told)
        return once(worker, names)


def _opened(
    stack: ExitStack, settings: Settings, config: Path, stopping: Stopping, told: Callable[[Ended], None]
) -> tuple[Watch, Worker]:
    metrics = Metrics()
    worker = Worker(settings, config.absolute().parent, stopping, told=(metrics.ended, told))
    return Watch(stack.enter_context(worker), metrics, due_at), worker


def log_json(*, verbose: bool) -> None:
    """Log lines as JSON on stderr, with the run's number: what is done, or everything; warnings where people watch."""
    root = logging.getLogger()
    if not any(isinstance(handler, Told) for handler in root.handlers):
        root.addHandler(Told())
    level = logging.DEBUG if verbose else logging.WARNING if sys.stderr.isatty() else logging.INFO
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
    )
