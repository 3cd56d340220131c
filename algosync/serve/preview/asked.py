"""What the form of the preview says: as whom to look at the shop, where, and with which drafts.

Everything comes in a posted body: a person's name has no place in a URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from algosync.errors import RequestError
from algosync.experience.question import Question
from algosync.serve.bodies import read_body
from algosync.serve.explain import Draft

BODY_MAX: Final = 128 * 1024
FIELDS_MAX: Final = 30
PLACES: Final = ("search", "home", "category", "product")
SEGMENT: Final = "segment:"
"""Begins the persona that is anybody of a segment."""
NOBODY: Final = "preview"
"""The token of a persona that is no person."""

_FORM: Final = "application/x-www-form-urlencoded"
_BARE: Final = {"segments": ("when", "definition"), "actions": ("effect",)}
_DRAFTED: Final = "draft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the form says, as it was typed, so that it can be shown again.

    Attributes:
        user: A customer id or any token; goes before the persona.
        persona: A token, `segment:<id>`, or nothing.
        where: One of PLACES.
        category: The category of a category page.
        query: What is typed into the search box.
        object_id: The product of a product page.
        index: The product index.
        segment, action: Drafts, as JSON.
    """

    user: str = ""
    persona: str = ""
    where: str = "search"
    category: str = ""
    query: str = ""
    object_id: str = ""
    index: str = ""
    segment: str = ""
    action: str = ""

    @property
    def person(self) -> str | None:
        """The customer id or token that is asked about; None for a persona that is no person."""
        return self.user or (self.persona if not self.persona.startswith(SEGMENT) else None) or None

    @property
    def member_of(self) -> tuple[str, ...]:
        """The segment whose member is asked about."""
        chosen = not self.user and self.persona.startswith(SEGMENT)
        return (self.persona.removeprefix(SEGMENT),) if chosen else ()

    def question(self) -> Question:
        """What a storefront would ask.

        Raises:
            RequestError: It could not be asked so.
        """
        where = f"category:{self.category}" if self.where == "category" and self.category else self.where
        return Question(
            user_token=self.person or NOBODY,
            where=where,
            query=self.query if self.where == "search" else None,
            object_id=self.object_id or None if self.where == "product" else None,
            index=self.index or None,
        )

    def draft(self) -> Draft | None:
        """The drafts, as the files hold them; None where there is none.

        Raises:
            RequestError: One is no JSON object.
        """
        found = {"segments": _drafted("segments", self.segment), "actions": _drafted("actions", self.action)}
        return found if any(found.values()) else None


@dataclass(frozen=True, slots=True)
class Form:
    """A posted form: its fields by name, the last of each."""

    fields: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """What was typed, without the white space around it."""
        return self.fields.get(name, "").strip()

    def wish(self, indices: tuple[str, ...]) -> Wish:
        """What the form of the preview says; what it cannot say is as good as empty."""
        names = ("user", "persona", "category", "query", "object_id", "segment", "action")
        where, index = self.get("where"), self.get("index")
        return Wish(
            where=where if where in PLACES else PLACES[0],
            index=index if index in indices else indices[0],
            **{name: self.get(name) for name in names},
        )


async def read_form(request: Request) -> Form:
    """The form of a request.

    Raises:
        RequestError: It is none, or too large.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise RequestError("is no form", where="content-type", hint=f"Send {_FORM}", status=415)
    body = await read_body(request, BODY_MAX)
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise RequestError("the form cannot be read", where="body", hint="Send it from the page") from None
    return Form(dict(pairs))


def _drafted(kind: str, source: str) -> Mapping[str, Any]:
    """A draft by id; one that was pasted without its id gets one."""
    if not source:
        return {}
    name = f"{kind[:-1]} draft"
    try:
        document = orjson.loads(source)
    except orjson.JSONDecodeError as error:
        raise RequestError(
            f"invalid JSON: {error.msg}",
            where=f"{name}, line {error.lineno} column {error.colno}",
            hint=f'Paste what {kind}.json holds: {{"an-id": {{…}}}}',
            status=422,
        ) from None
    if not isinstance(document, dict):
        hint = f'Paste what {kind}.json holds: {{"an-id": {{…}}}}'
        raise RequestError("must be a JSON object", where=name, hint=hint, status=422)
    return {_DRAFTED: document} if any(key in document for key in _BARE[kind]) else document
