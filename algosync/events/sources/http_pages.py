"""One page of an API: an answer's bytes become rows, what could not be a row, and the word of where to go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from algosync.errors import SourceError
from algosync.events.sources import arrays
from algosync.events.sources.base import BadRow
from algosync.events.sources.http_places import Paging, dug
from algosync.events.sources.lines import BOM, shown
from algosync.events.sources.marks import digest

Form = Literal["json", "ndjson"]

_LINES: Final = ("ndjson", "jsonl", "jsonlines", "json-lines", "x-json-stream")
_KEYS_SHOWN: Final = 12


class UnreadableError(ValueError):
    """An answer that is no page, and may well be one the next time.

    Args:
        what: What it is instead.
        hint: What to do where it stays so.
    """

    def __init__(self, what: str, hint: str) -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer of an API, unpacked.

    Args:
        status: Its HTTP status.
        headers: Its headers, looked up without regard to case.
        body: Its content; in no repr, since it is about people.
        following: Where its Link header says that the next page is.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    following: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page.

    Args:
        rows: Its rows.
        positions: Of each row what it is known by: a digest of its content, and the how manieth of this content it is.
            So a row has one position wherever in the API's pages it comes again.
        bad: What stood between them.
        next: The URL or token of the next page, as the API tells it.
        more: Whether there is more; None where the API does not say.
        digest: Of all its content; empty without any.
        weight: Bytes.
    """

    rows: list[dict[str, Any]]
    positions: list[str]
    bad: tuple[BadRow, ...] = ()
    next: str | None = None
    more: bool | None = None
    digest: str = ""
    weight: int = 0

    @property
    def count(self) -> int:
        """How much the API counts as rows."""
        return len(self.rows) + len(self.bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads pages.

    Args:
        name: The source's name.
        form: The format; None goes by the Content-Type.
        encoding: Of the text; None is UTF-8, else what the Content-Type says.
        rows: Where in a JSON answer the rows stand, `a.b` for b of the object a; None: it is an array of them.
        paging: Where the next page is told.
    """

    name: str
    form: Form | None
    encoding: str | None
    rows: str | None
    paging: Paging

    def page(self, answer: Answer, *, where: str) -> Page:
        """Return an answer's page.

        Raises:
            UnreadableError: It is HTML, cut off, or otherwise not what was announced.
            SourceError: It is JSON in which the settings' fields are not.
        """
        body = self._text(answer)
        kind = answer.headers.get("content-type", "").lower()
        form = self.form or ("ndjson" if any(word in kind for word in _LINES) else "json")
        if answer.status == 204:
            return self._page(answer, None, [], where=where)
        if form == "ndjson":
            return self._page(answer, None, _lines(body), where=where)
        document, sound = _document(body, kind)
        judged: list[tuple[Any, str | None]] = [
            (not sound and arrays.flaw(element)) or (element, None) for element in self._elements(document, where)
        ]
        return self._page(answer, document, judged, where=where)

    def _text(self, answer: Answer) -> bytes:
        """An answer in UTF-8; as it is where its encoding cannot be told: then only what is broken by that is bad."""
        declared = _charset(answer.headers.get("content-type", ""))
        for name in ("utf-8", declared) if self.encoding is None else (self.encoding,):
            with suppress(UnicodeError, LookupError):
                return answer.body.decode(name).encode().removeprefix(BOM) if name else answer.body
        return answer.body

    def _elements(self, document: Any, where: str) -> list[Any]:
        found = document if self.rows is None else dug(document, self.rows)
        if isinstance(found, list):
            return found
        keys = sorted(document)[:_KEYS_SHOWN] if isinstance(document, dict) else ["no object"]
        there = arrays.escaped(", ".join(keys))
        if self.rows is None:
            hint = f"Set rows to the key that holds the array; there are: {there}"
            raise SourceError("the answer is no array", where=where, hint=hint)
        outer, _, key = self.rows.rpartition(".")
        holder = dug(document, outer) if outer else document
        if found is None and isinstance(holder, dict) and key in holder:
            return []  # some servers write an empty array as null
        what = f"the answer has no array at rows = {self.rows!r}"
        raise SourceError(what, where=where, hint=f"Check rows and url; there are: {there}")

    def _page(self, answer: Answer, document: Any, elements: list[tuple[Any, str | None]], *, where: str) -> Page:
        rows, positions, bad, prints = [], [], [], []
        counted: Counter[str] = Counter()
        for element, wrong in elements:
            text = element if wrong is not None else arrays.dumps(element).encode()
            made = digest(text)
            prints.append(made)
            counted[made] += 1
            position = f"{self.name}:{made}#{counted[made]}"
            if wrong is None and isinstance(element, dict):
                rows.append(element)
                positions.append(position)
            else:
                bad.append(BadRow(position=position, content=shown(text), reason=wrong or "is no JSON object"))
        return Page(
            rows=rows,
            positions=positions,
            bad=tuple(bad),
            next=self._next(answer, document, where),
            more=self._more(document, where),
            digest=digest("".join(prints).encode()) if prints else "",
            weight=len(answer.body),
        )

    def _next(self, answer: Answer, document: Any, where: str) -> str | None:
        paging = self.paging
        if paging.counted:
            return None
        if paging.by == "link":
            return answer.following
        found = answer.headers.get(paging.header) if paging.header else dug(document, paging.field or "")
        if found is None or found is False or found == "":
            return None
        if type(found) is int or (isinstance(found, str) and arrays.escaped(found) == found):
            return str(found)
        holds = "half a character" if isinstance(found, str) else f"a {type(found).__name__}"
        what = f"next.field {paging.field!r} holds {holds}"
        raise SourceError(what, where=where, hint="Name the field with the URL or token of the next page")

    def _more(self, document: Any, where: str) -> bool | None:
        if self.paging.more is None:
            return None
        found = dug(document, self.paging.more)
        if isinstance(found, bool):
            return found
        what = f"next.more {self.paging.more!r} is neither true nor false"
        raise SourceError(what, where=where, hint="Name the field that says whether there is more, or leave it out")


def _document(body: bytes, kind: str) -> tuple[Any, bool]:
    start = body.lstrip()[:1]
    if not start:
        raise UnreadableError("the answer is empty", "Check url, and whether the API is at work")
    try:
        return arrays.document(body)
    except orjson.JSONDecodeError as error:
        said = kind.partition(";")[0].strip() or "no Content-Type"
        if start == b"<":
            what = f"the answer is no JSON but a page for people ({said})"
            raise UnreadableError(what, "Something before the API answered: check url, key and maintenance") from None
        if start in b"{[" and error.pos >= len(body.decode(errors="replace").rstrip()):
            what = f"the answer is cut off after {len(body)} bytes"
            raise UnreadableError(what, "Where that stays so, ask for smaller pages with size") from None
        what = f"the answer is no JSON: {error.msg} ({said})"
        hint = 'Set format = "ndjson" where it has one row a line, and encoding where it is not UTF-8'
        raise UnreadableError(what, hint) from None


def _lines(body: bytes) -> list[tuple[Any, str | None]]:
    """Each line's value; or its bytes, and what is wrong with them."""
    made: list[tuple[Any, str | None]] = []
    lines = body.split(b"\n")
    if body.lstrip()[:1] == b"<":
        what = "the answer is no JSON lines but a page for people"
        raise UnreadableError(what, "Something before the API answered: check url, key and maintenance")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value, sound = arrays.document(line)
            made.append((not sound and arrays.flaw(value)) or (value, None))
        except orjson.JSONDecodeError as error:
            if number == len(lines):
                what = f"the answer is cut off within its last line, after {len(body)} bytes"
                raise UnreadableError(what, "Where that stays so, ask for smaller pages with size") from None
            made.append((line.rstrip(b"\r"), f"is no JSON: {error.msg}"))
    return made


def _charset(kind: str) -> str | None:
    """The character set that a Content-Type names."""
    for part in kind.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'") or None
    return None
