"""Compiling an expression to SQL is a third of a small sync, and most of a tiny one: tests do it once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ibis.backends.duckdb import Backend
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler

KEPT = 4096
"""Expressions; the whole suite makes more, and would keep them all."""


def compile_once(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """From here on an expression equal to one that was compiled before gives the same SQL.

    Args:
        put: Sets an attribute, as `setattr` does; a test's monkeypatch also takes it back.
    """
    translated, compiled, backend = DuckDBCompiler.to_sqlglot, Backend.compile, Backend()
    tree = lru_cache(KEPT)(lambda op, limit: translated(Backend.compiler, op.to_expr(), limit=limit))
    words = lru_cache(KEPT)(lambda op, limit: compiled(backend, op.to_expr(), limit=limit))

    def translating(self: DuckDBCompiler, expr: Any, *, limit: Any = None, params: Any = None) -> Any:
        return translated(self, expr, limit=limit, params=params) if params else tree(expr.op(), limit).copy()

    def compiling(self: Backend, expr: Any, /, *, limit: Any = None, params: Any = None, pretty: bool = False) -> str:
        if params or pretty:
            return compiled(self, expr, limit=limit, params=params, pretty=pretty)
        return words(expr.op(), limit)

    put(DuckDBCompiler, "to_sqlglot", translating)
    put(Backend, "compile", compiling)
    # Part of every expression's identity, and otherwise another one for each run, by the folder it may spill into.
    put(Backend, "db_identity", "duckdb")
