"""What algosync asks of Algolia: a client that reads, and one that also writes records, rules and settings.

Method by method one or more calls over the wire, and the shape of their answers checked. Must not know what the
records mean. Like the wire, a client is not for several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import sleep as _sleep
from typing import Any, Final, Literal, Self

from algosync.algolia import calls
from algosync.algolia.answers import need
from algosync.algolia.calls import PAGE, Call
from algosync.algolia.target import Target
from algosync.algolia.wire import PATIENCE_S, Wire
from algosync.errors import AlgoliaError, NotPublishedError

__all__ = ["NotPublishedError", "ReadClient", "Target", "WriteClient"]

_WAIT_FIRST_S: Final = 0.02
_WAIT_MAX_S: Final = 5.0


class ReadClient:
    """Everything that can be read from an application; it has no method that writes.

    Args:
        target: Application and hosts.
        api_key: A key with the permissions browse, search, settings and listIndexes. It appears in no message.
        sleep: Takes seconds; how to pause, in place of sleeping.
        patience_s: Seconds that all waiting may take while Algolia turns requests away or does not answer.

    Raises:
        ConfigError: The target or the key cannot be used at all.
    """

    def __init__(
        self,
        target: Target,
        api_key: str,
        sleep: Callable[[float], None] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.target = target
        self._wire = Wire(target, api_key, patience_s=patience_s)
        self._sleep = sleep or _sleep

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.target!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the client may still be used and then opens new ones."""
        self._wire.close()

    @property
    def requests(self) -> int:
        """How many requests were sent, further tries included."""
        return self._wire.requests

    @property
    def throttled(self) -> int:
        """How many requests were turned away since there were too many (429)."""
        return self._wire.throttled

    def pause(self, seconds: float) -> bool:
        """Pause, as far as there is patience left for it; says whether there was."""
        return self._wire.pause(seconds, self._sleep)

    def browse(
        self, index: str, attributes: Sequence[str] | None = None, page_size: int = PAGE
    ) -> Iterator[list[dict[str, Any]]]:
        """All records of an index, a page at a time, with the named attributes (None: all) and objectID.

        A loop over cursors: the official helper recurses, and fails after 971 pages.
        """
        cursor: str | None = None
        while True:
            call = calls.browse(index, attributes, page_size, cursor)
            page = self._wire.send(call)
            yield need(page, "hits", list, where=self._wire.where(call))
            before, cursor = cursor, page.get("cursor")
            if cursor is None:
                return
            if cursor == before:
                raise AlgoliaError("the same page comes again and again", where=self._wire.where(call))

    def get_objects(
        self, index: str, object_ids: Sequence[str], attributes: Sequence[str] | None = None
    ) -> list[dict[str, Any] | None]:
        """The records of these objectIDs, in their order; None for each that is absent."""
        found: list[dict[str, Any] | None] = []
        for start in range(0, len(object_ids), PAGE):
            asked = object_ids[start : start + PAGE]
            call = calls.get_objects(index, asked, attributes)
            results = need(self._wire.send(call), "results", list, where=self._wire.where(call))
            if len(results) != len(asked):
                raise AlgoliaError(f"{len(asked)} records asked for, {len(results)} came", where=self._wire.where(call))
            found.extend(results)
        return found

    def search(self, index: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one search, as Algolia gives it."""
        return self._document(calls.search(index, params))

    def count(self, index: str) -> int:
        """How many records of the index can be found."""
        call = calls.search(index, {"query": "", "hitsPerPage": 1, "attributesToRetrieve": [], "distinct": False})
        return int(need(self._wire.send(call), "nbHits", int, where=self._wire.where(call)))

    def list_indices(self) -> list[dict[str, Any]]:
        """All indices of the application: name, entries, updatedAt and more."""
        items: list[dict[str, Any]] = []
        page, pages = 0, 1
        while page < pages:
            call = calls.list_indices(page)
            answer = self._wire.send(call)
            items.extend(need(answer, "items", list, where=self._wire.where(call)))
            page, pages = page + 1, answer.get("nbPages") or 1
        return items

    def exists(self, index: str) -> bool:
        """Whether the index exists."""
        return self._or_absent(calls.get_settings(index)) is not None

    def get_settings(self, index: str) -> dict[str, Any]:
        """The index's settings."""
        return self._document(calls.get_settings(index))

    def browse_rules(self, index: str) -> Iterator[dict[str, Any]]:
        """All rules of an index, other people's too."""
        page, pages = 0, 1
        while page < pages:
            call = calls.search_rules(index, page)
            answer = self._wire.send(call)
            yield from need(answer, "hits", list, where=self._wire.where(call))
            page, pages = page + 1, answer.get("nbPages") or 1

    def get_rule(self, index: str, object_id: str) -> dict[str, Any] | None:
        """One rule, or None."""
        return self._or_absent(calls.get_rule(index, object_id))

    def task_status(self, index: str, task_id: int) -> Literal["published", "notPublished"]:
        """Whether a write can be read already."""
        call = calls.get_task(index, task_id)
        status = need(self._wire.send(call), "status", str, where=self._wire.where(call))
        return "published" if status == "published" else "notPublished"

    def wait(self, index: str, task_id: int, *, timeout_s: float = 600.0) -> float:
        """Return once a write is published.

        Args:
            index: The index written to.
            task_id: What the write returned.
            timeout_s: Seconds to wait in all, counted as the sum of the pauses; with 0 it is asked about once.

        Returns:
            How many seconds that took.

        Raises:
            NotPublishedError: It was not published in time.
        """
        pause, waited = _WAIT_FIRST_S, 0.0
        while self.task_status(index, task_id) != "published":
            if waited >= timeout_s:
                raise NotPublishedError(
                    f"task {task_id} is not published after {waited:.0f} s",
                    where=self._wire.where(calls.get_task(index, task_id)),
                    hint="Run again later: waiting is resumed, nothing is sent twice",
                )
            self._sleep(pause)
            waited, pause = waited + pause, min(pause * 1.5, _WAIT_MAX_S)
        return waited

    def _document(self, call: Call) -> dict[str, Any]:
        answer = self._wire.send(call)
        if not isinstance(answer, dict):
            raise AlgoliaError("the answer is not a JSON object", where=self._wire.where(call))
        return answer

    def _or_absent(self, call: Call) -> dict[str, Any] | None:
        try:
            return self._document(call)
        except AlgoliaError as error:
            if error.status == 404:
                return None
            raise


class WriteClient(ReadClient):
    """What algosync may change: single records, single rules, named settings. Nothing clears or replaces an index.

    Attributes:
        operations: How many operations were accepted, as Algolia bills them.
    """

    def __init__(
        self,
        target: Target,
        api_key: str,
        sleep: Callable[[float], None] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        super().__init__(target, api_key, sleep, patience_s)
        self.operations = 0

    def batch(self, index: str, body: bytes, count: int) -> int:
        """Send operations on records; Algolia takes all of them or none.

        Args:
            index: The index.
            body: `{"requests":[{"action":…,"body":{…}},…]}` as JSON.
            count: How many operations the body holds.

        Returns:
            The taskID to wait for.

        Raises:
            AlgoliaError: Refused; `position` and `object_id` name the record at fault, where Algolia does.
            AlgoliaUnavailableError: It is unknown whether the operations were taken, unless the error is `undone`.
        """
        return self._write(calls.batch(index, body), count)

    def save_rules(self, index: str, rules: bytes, count: int) -> int:
        """Create or replace `count` rules, a JSON array; returns the taskID. All other rules stay."""
        return self._write(calls.save_rules(index, rules), count)

    def delete_rule(self, index: str, object_id: str) -> int:
        """Delete one rule; returns the taskID."""
        return self._write(calls.delete_rule(index, object_id), 1)

    def set_settings(self, index: str, settings: Mapping[str, Any]) -> int:
        """Change the named settings, leave the others; returns the taskID."""
        return self._write(calls.set_settings(index, settings), 0)

    def _write(self, call: Call, count: int) -> int:
        task_id: int = need(self._wire.send(call), "taskID", int, where=self._wire.where(call))
        self.operations += count
        return task_id
