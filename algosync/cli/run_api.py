"""Runs the HTTP API in the foreground: settings in, an application served until it is told to stop."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from algosync.runtime.serving import open_api
from algosync.serve.server import Address, run
from algosync.settings.load import load


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How the API runs.

    Attributes:
        config: The settings file.
        host: In place of serve.host.
        port: In place of serve.port.
        verbose: Whether every request is logged.
    """

    config: Path
    host: str | None = None
    port: int | None = None
    verbose: bool = False


def run_api(options: ServeOptions, ready: Callable[[Mapping[str, Any]], None]) -> None:
    """Serves until interrupted.

    Args:
        options: How.
        ready: Called with where it listens, and what it serves from.

    Raises:
        ConfigError: The settings are wrong.
        StoreError: The snapshot is of another version, or the inbox cannot be opened.
        AlgosyncError: The port is taken.
    """
    log_json(verbose=options.verbose)
    settings = load(options.config)
    serve = settings.serve
    host, port = options.host or serve.host, serve.port if options.port is None else options.port
    with open_api(settings, options.config.absolute().parent) as (app, desk):

        def listening(url: str) -> None:
            has_keys = bool(serve.public_keys or serve.visitor_secrets or serve.admin_key or serve.secured_parent_key)
            forwards = {"on": serve.forward.enabled, "segment": serve.forward.segment}
            ready({"url": url, "keys": has_keys, **asdict(desk.condition()), "forwarding": forwards})

        run(app, Address(host=host, port=port, proxies=serve.trusted_proxies), listening)


def log_json(*, verbose: bool) -> None:
    """Log lines as JSON on stderr: warnings and worse, or every request; never a key, a token or a traceback."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
    )
