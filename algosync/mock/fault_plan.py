"""What a fault on purpose is, and how a plan of faults is written: as JSON, or in short on a command line.

Checks shapes and names; when a fault strikes is faults.py's to say, what it then does routes/striking.py's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from algosync.errors import ConfigError

Kind = Literal["429", "500", "503", "slow", "reset", "truncated", "lost", "unpublished", "oversize"]

KINDS: Final[dict[str, str]] = {
    "429": "Too many requests, with Retry-After; nothing is done",
    "500": "an error of the server, as JSON; nothing is done",
    "503": "a load balancer's error, as HTML; nothing is done",
    "slow": "the answer comes late",
    "reset": "the connection is reset before the request is looked at",
    "truncated": "the request is done, its answer ends in the middle",
    "lost": "the request is done, and the connection reset in place of an answer",
    "unpublished": "the write to an index is taken, and its task is not published until the fault is lifted",
    "oversize": "400, as if one of the records were too big",
}

HELPERS: Final[dict[str, str]] = {
    "saveObjects": "batch",
    "deleteObjects": "batch",
    "partialUpdateObjects": "batch",
    "chunkedBatch": "batch",
    "browseObjects": "browse",
    "browseRules": "searchRules",
    "waitForTask": "getTask",
    "waitForAppTask": "getAppTask",
    "waitForApiKey": "getApiKey",
    "searchForHits": "search",
    "searchForFacets": "search",
    "indexExists": "getSettings",
}
"""Helpers of the official clients, and the operation that each of them sends."""

_Model = TypeVar("_Model", bound=BaseModel)

ANY: Final = frozenset({"*", "read", "write"})


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Fault(BaseModel):
    """One kind of fault and the requests that it strikes.

    Requests that fit `on` and `index` are counted from 1. Without `nth`, `every` and `probability` it strikes each.

    Attributes:
        on: Algolia's names of operations (`batch`, `searchSingleIndex`, …), the clients' helpers (`saveObjects`), or
            `read`, `write`, `*` for all.
        fault: What happens, see KINDS.
        index: Name or pattern (`products*`) of the index; a request to several indices fits where one of them does.
        nth: Strikes from the nth request on, `times` in a row, once by default.
        every: Strikes every so many requests.
        probability: Strikes this share of the requests, drawn from the plan's seed and the request's number.
        times: Strikes no more often than this.
        delay_ms: How late a `slow` answer is.
        retry_after: Seconds in the header Retry-After of a `429`; None to leave it out.
        object_id: The record that is `oversize` (in JSON `objectID`); strikes only requests that hold it. Without it
            the seed chooses one of the records.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    on: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
    fault: Annotated[Kind, BeforeValidator(_text)]
    index: str | None = None
    nth: Annotated[int, Field(ge=1)] | None = None
    every: Annotated[int, Field(ge=1)] | None = None
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    times: Annotated[int, Field(ge=1)] | None = None
    delay_ms: Annotated[int, Field(ge=0, le=600_000)] = 1000
    retry_after: Annotated[int, Field(ge=0)] | None = 1
    object_id: Annotated[str | None, Field(alias="objectID")] = None

    @model_validator(mode="after")
    def _one_choice(self) -> Fault:
        if sum(choice is not None for choice in (self.nth, self.every, self.probability)) > 1:
            raise ValueError("only one of nth, every and probability may be given")
        return self

    @property
    def most(self) -> int | None:
        """How often it strikes at the most."""
        return 1 if self.times is None and self.nth is not None else self.times

    def describe(self) -> dict[str, Any]:
        """The fault as JSON, what was left to its default left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


class FaultPlan(BaseModel):
    """A seed, and faults of which the first that strikes a request wins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    faults: tuple[Fault, ...] = ()


def read_plan(content: Any, where: str = "faults") -> FaultPlan:
    """A plan from JSON: `{"seed": 7, "faults": [{"on": "batch", "nth": 3, "fault": 429}]}`, or the list alone.

    A fault in the list may also be a string, the short form of one.

    Raises:
        ConfigError: It is not of that shape.
    """
    plan = {"faults": content} if isinstance(content, list) else content
    if isinstance(plan, Mapping) and isinstance(listed := plan.get("faults"), list):
        faults = [read_short(each, where) if isinstance(each, str) else each for each in listed]
        plan = {**plan, "faults": faults}
    return _checked(FaultPlan, plan, where)


def make_fault(given: Mapping[str, Any], where: str = "fault") -> Fault:
    """A fault from its attributes.

    Raises:
        ConfigError: They do not make one.
    """
    return _checked(Fault, dict(given), where)


_WHEN: Final = re.compile(r"(?P<nth>\d+)|every(?P<every>\d+)|(?P<probability>\d+(?:\.\d+)?)%|x(?P<times>\d+)")


def read_short(text: str, where: str = "--fault") -> Fault:
    """A fault from its short form `ON[@INDEX][:WHEN]…:FAULT[=VALUE]`.

    ON holds operations, apart by commas. WHEN is `3` (the third), `every5`, `10%`, or `x2` (twice at the most). VALUE
    is the seconds of a `429`, the milliseconds of `slow`, or the objectID of `oversize`. So `batch:3:429`,
    `saveObjects@products*:every5:503`, `read:10%:slow=250`, `write:x1:lost`.

    Raises:
        ConfigError: It is not of that form.
    """
    hint = "Write ON:WHEN:FAULT, for example batch:3:429"
    who, _, rest = text.partition(":")
    what, has_value, value = rest.partition("=")
    *whens, kind = what.split(":")
    on, has_index, index = who.partition("@")
    if has_index and not index:
        raise ConfigError(f"'{text}' names no index behind its @", where=where, hint=hint)
    given: dict[str, Any] = {"on": [name.strip() for name in on.split(",")], "fault": kind}
    if index:
        given["index"] = index
    for when in whens:
        found = _WHEN.fullmatch(when)
        if found is None:
            raise ConfigError(f"'{when}' in '{text}' says no when", where=where, hint=hint)
        choice = str(found.lastgroup)
        if choice in given:
            raise ConfigError(f"'{when}' in '{text}' says when once more", where=where, hint=hint)
        given[choice] = found[choice]
    if "probability" in given:
        given["probability"] = float(given["probability"]) / 100
    if has_value:
        name = {"429": "retry_after", "slow": "delay_ms", "oversize": "objectID"}.get(kind)
        if name is None:
            raise ConfigError(f"'{kind}' takes no value", where=where, hint=hint)
        given[name] = value
    return _checked(Fault, given, f"{where} {text}")


def check_names(fault: Fault, operations: Iterable[str]) -> Fault:
    """The fault with the operations of helpers in their place.

    Raises:
        ConfigError: It names an operation that does not exist.
    """
    known = {*operations, *ANY}
    names = tuple(HELPERS.get(name, name) if name not in known else name for name in fault.on)
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, {*known, *HELPERS}, n=3)
            hint = f"Did you mean {' or '.join(close)}?" if close else "Name one as Algolia's API reference does"
            raise ConfigError(f"there is no operation '{name}'", where="faults", hint=hint)
    return fault.model_copy(update={"on": names})


def _checked(model: type[_Model], content: Any, where: str) -> _Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        hint = f"A fault is one of {', '.join(KINDS)}" if first["loc"][-1:] == ("fault",) else None
        raise ConfigError(first["msg"], where=f"{where}.{place}" if place else where, hint=hint) from None
