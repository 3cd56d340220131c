"""Asks before what cannot be undone."""

from __future__ import annotations

import sys

from algosync.cli import render


def agreed(question: str, *, json: bool) -> bool:
    """Asks on stderr; where nobody can answer, no."""
    if json or not sys.stdin.isatty():
        render.err.print("not done: run with --yes to do it")
        return False
    return render.err.input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
