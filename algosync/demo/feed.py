"""What a shop's own feed does: whole records and settings into an index, through the official client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from algosync.algolia.client import WriteClient

BATCH = 5_000


def feed(
    client: WriteClient,
    index: str,
    batches: Iterable[list[dict[str, Any]]],
    *,
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Adds or replaces whole records, as a nightly feed does.

    Args:
        client: May write.
        index: Where to.
        batches: The records, with objectIDs.
        settings: Of the index, set first.
        progress: Called with how many more records were sent.

    Returns:
        How many records were sent.
    """
    tasks = [] if settings is None else [client.set_settings(index, settings)]
    sent = 0
    for batch in batches:
        for start in range(0, len(batch), BATCH):
            records = batch[start : start + BATCH]
            body = orjson.dumps({"requests": [{"action": "addObject", "body": record} for record in records]})
            tasks.append(client.batch(index, body, len(records)))
            sent += len(records)
            progress(len(records))
    for task in tasks:
        client.wait(index, task)
    return sent
