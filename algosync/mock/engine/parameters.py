"""Search parameters of a request: from a JSON object, from a URL-encoded string, or both.

Owns the 400s for unknown parameters, wrong values and filters that cannot be read. What each parameter takes stands in
options.py, which of them change nothing here in coverage.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from algosync.errors import AlgoliaError
from algosync.mock.engine.filters import facet_filters, numeric_filters, tag_filters
from algosync.mock.engine.grammar import parse_filters
from algosync.mock.engine.options import FACET_ONLY, SEARCH_ONLY, SHARED, MisfitError
from algosync.mock.nesting import read_json

QUERY_BYTES_MAX = 512
CONTEXTS_MAX = 10

KNOWN = frozenset(SEARCH_ONLY | SHARED)
OPTIONS = SEARCH_ONLY | SHARED | FACET_ONLY


def from_body(body: Any, known: frozenset[str] = KNOWN) -> dict[str, Any]:
    """Search parameters of a request body: direct, URL-encoded under `params`, or both (direct ones win).

    Raises:
        AlgoliaError: 400 for an unknown parameter or a value of a wrong type.
    """
    if not isinstance(body, dict):
        raise AlgoliaError("Invalid body, expected a JSON object", status=400)
    given = {name: value for name, value in body.items() if name != "params"}
    encoded = body.get("params")
    if encoded is not None:
        if not isinstance(encoded, str):
            raise _wrong("params", "string")
        given = from_text(encoded) | given
    return check(given, known)


def from_text(encoded: str) -> dict[str, Any]:
    """Parameters from `a=b&c=d`, each turned into its type."""
    return {name: _decoded(name, text) for name, text in parse_qsl(encoded, keep_blank_values=True)}


def _decoded(name: str, text: str) -> Any:
    option = OPTIONS.get(name)
    listed = option is not None and (option.kind == "texts" or option.items is not None)
    if option is None or (option.kind in {"text", "texts"} and not (listed and text.startswith("["))):
        return text
    try:
        return read_json(text)
    except ValueError:
        return text


def check(given: Mapping[str, Any], known: frozenset[str] = KNOWN) -> dict[str, Any]:
    """Parameters in their types and without nulls (400 for an unknown name, a wrong value, bad syntax)."""
    checked: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise AlgoliaError(f"Unknown parameter: {name}", status=400)
        if value is not None:
            checked[name] = _checked(name, value)
    _check_filters(checked)
    for name in ("query", "similarQuery"):
        if len(checked.get(name, "").encode(errors="replace")) > QUERY_BYTES_MAX:
            raise _wrong(name, f"string shorter than {QUERY_BYTES_MAX} bytes")
    if len(checked.get("ruleContexts", ())) > CONTEXTS_MAX:
        raise _wrong("ruleContexts", f"at most {CONTEXTS_MAX} contexts")
    return checked


def _checked(name: str, value: Any) -> Any:
    option = OPTIONS.get(name)
    if option is None:
        return value
    try:
        return option.read(value)
    except MisfitError as misfit:
        if option.kind == "integer":
            shown = value if isinstance(value, str) else orjson.dumps(value).decode()
            what = f'Value "{shown}" outside of the range for "{name}" parameter, expected {misfit}'
            raise AlgoliaError(what, status=400) from None
        raise _wrong(name, str(misfit)) from None


def _check_filters(given: Mapping[str, Any]) -> None:
    parse_filters(given.get("filters", ""))
    facet_filters(given.get("facetFilters", []), "facetFilters")
    facet_filters(given.get("optionalFilters", []), "optionalFilters")
    numeric_filters(given.get("numericFilters", []))
    tag_filters(given.get("tagFilters", []))


def echo(given: Mapping[str, Any]) -> str:
    """Parameters as the URL-encoded string that answers carry in `params`."""
    return urlencode({n: v if isinstance(v, str) else orjson.dumps(v).decode() for n, v in given.items()})


def _wrong(name: str, expected: str) -> AlgoliaError:
    return AlgoliaError(f'Invalid value for "{name}" parameter, expected {expected}', status=400)
