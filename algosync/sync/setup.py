"""What an index must declare before filters on algosync's own facets work.

Adds `filterOnly(algosync.…)` entries and touches nothing else of the shop's settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from algosync.algolia.client import ReadClient, WriteClient
from algosync.payloads.declared import inert_reasons, missing_declarations, undeclared

_OWN: Final = "algosync."
_SETTING: Final = "attributesForFaceting"


def facet_changes(client: ReadClient, indices: Sequence[str], needed: Sequence[str]) -> list[dict[str, Any]]:
    """What would change, index by index, as a JSON document each.

    Args:
        client: May read settings.
        indices: The product indices.
        needed: The attributes that filters name.

    Returns:
        index, before, after, added; yours_to_declare: facets of the shop's own that it does not declare; notes: why
        filters would have no effect there.
    """
    changes = []
    for index in indices:
        settings = client.get_settings(index)
        before = list(settings.get(_SETTING) or [])
        after = missing_declarations(settings, needed)
        changes.append(
            {
                "index": index,
                "before": before,
                "after": after,
                "added": [entry for entry in after if entry not in before],
                "yours_to_declare": [n for n in undeclared(settings, needed) if not n.startswith(_OWN)],
                "notes": list(inert_reasons(settings)),
            }
        )
    return changes


def apply_changes(client: WriteClient, changes: Sequence[dict[str, Any]]) -> None:
    """Declares what is to be added, and waits until it is."""
    for change in changes:
        declare(client, change["index"], change["after"])


def declare(client: WriteClient, index: str, entries: list[str] | None) -> None:
    """Has an index declare these entries for faceting (None: Algolia's default), and waits until it does."""
    client.wait(index, client.set_settings(index, {_SETTING: entries}))
