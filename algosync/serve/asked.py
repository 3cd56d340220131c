"""What POST /v1/experience takes: a JSON object into a question, unknown fields refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from algosync.errors import RequestError
from algosync.experience.question import Question

FIELDS: Final = {
    "userToken": "user_token",
    "where": "where",
    "query": "query",
    "objectID": "object_id",
    "context": "context",
    "consent": "consent",
    "ruleContexts": "rule_contexts",
    "optionalFilters": "optional_filters",
    "index": "index",
}
"""Field of the body to field of the question."""

_LISTS: Final = tuple((name, FIELDS[name]) for name in ("optionalFilters", "ruleContexts"))
_TOKEN: Final = re.compile(r"[a-zA-Z0-9_=/+-]{1,129}")


def question(document: Mapping[str, Any], token_for: Callable[[str | None], str]) -> Question:
    """The question that a body asks; a field that is null is as good as absent.

    Args:
        document: The body.
        token_for: Says which token it is about, from the one it names.

    Raises:
        RequestError: A field is unknown or wrong.
        AccessError: The token is not the asker's.
    """
    values: dict[str, Any] = {}
    for name, value in document.items():
        field = FIELDS.get(name)
        if field is None:
            raise _unknown(document)
        if value is not None:
            values[field] = value
    token = token_for(_token(values.pop("user_token", None)))
    for name, field in _LISTS:
        if field in values and not isinstance(values[field], list):
            raise RequestError("must be a list", where=name)
    if "rule_contexts" in values:
        values["rule_contexts"] = tuple(values["rule_contexts"])
    return Question(user_token=token, **values)


def _unknown(document: Mapping[str, Any]) -> RequestError:
    name = min(document.keys() - FIELDS.keys())
    return RequestError("is no field of a question", where=_shown(name), hint=f"Allowed: {', '.join(FIELDS)}")


def _token(given: Any) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise RequestError("must be a text", where="userToken")
    if not _TOKEN.fullmatch(given):
        raise RequestError("must be 1 to 129 letters, digits and any of _ = / + -", where="userToken")
    return given


def _shown(name: str) -> str:
    """A field's name, as far as it is fit to be shown."""
    return name if len(name) <= 40 and name.isprintable() else "body"
