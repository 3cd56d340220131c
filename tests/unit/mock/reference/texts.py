"""The texts of a record that are searched, as Algolia's documentation describes them. Plain and slow.

Page of algolia.com/doc: api-reference/api-parameters/searchableAttributes.
"""

from __future__ import annotations


def lines(record: dict, settings: dict) -> list[tuple[list[str], bool]]:
    """Searchable attributes by rank, with whether the position in them counts (…/searchableAttributes).

    Where none is set every attribute is searched; attributes of one rank are always unordered.
    """
    found = []
    for line in settings.get("searchableAttributes") or []:
        unordered = line.startswith("unordered(")
        names = [name.strip() for name in line.removeprefix("unordered(").rstrip(")").split(",")]
        found.append((names, not unordered and len(names) == 1))
    return found or [([name for name in record if name != "objectID"], False)]


def searched(record: dict, name: str, settings: dict) -> list[str]:
    """The texts of an attribute: strings, and numbers where the attribute is named (…/searchableAttributes)."""
    found = texts(record, name)
    return [spoken(text) for text in found if isinstance(text, str) or settings.get("searchableAttributes")]


def texts(value, path: str = "") -> list:
    """What an attribute holds; a parent attribute covers what is nested in it (…/searchableAttributes)."""
    if isinstance(value, dict):
        if not path:
            return [text for inner in value.values() for text in texts(inner)]
        if path in value:
            return texts(value[path])
        head, _, tail = path.partition(".")
        return texts(value[head], tail) if tail and head in value else []
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner, path)]
    return [] if path or value is None or isinstance(value, bool) else [value]


def spoken(value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
