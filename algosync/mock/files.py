"""An index as a file, an application as a directory of them: loaded whole or not at all, written atomically.

`NAME.json` holds `{"settings": {…}, "rules": […], "records": […]}` or just an array of records, `NAME.jsonl` one record
a line. NAME is the index's name, percent-encoded where a file's name could not hold it. What is written is in a fixed
order, one record a line, so that versions of a file can be compared. Must not know of commands or routes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import orjson

from algosync.errors import AlgoliaError, ConfigError, SourceError
from algosync.mock.algolia import MockAlgolia
from algosync.mock.engine.index import Index
from algosync.mock.engine.records import Stage
from algosync.mock.engine.rules.shape import Rule, check_rule
from algosync.mock.engine.settings import check_settings
from algosync.mock.tasks import World

PARTS = frozenset({"settings", "rules", "records"})
ENDINGS = (".json", ".jsonl")
_ENDINGS = "Name it INDEX.json or INDEX.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """Checked content of an index, not yet in an application."""

    settings: dict[str, Any]
    rules: dict[str, Rule]
    stage: Stage


def load(algolia: MockAlgolia, path: Path) -> dict[str, int]:
    """Load one index file, or every one of a directory; each replaces the index of its name, others stay.

    Readers see it at once, unless writes to these indices wait to be published: then it waits behind them.

    Returns:
        The number of records by index.

    Raises:
        ConfigError: A file's content is no index, with the file and the place; nothing was loaded.
        SourceError: The directory or a file cannot be read; nothing was loaded.
    """
    with algolia.lock:
        read = {name: _checked(algolia, _read(file), str(file)) for name, file in _files(path).items()}
        _put(algolia, read)
        return {name: len(content.stage.changes) for name, content in read.items()}


def load_index(algolia: MockAlgolia, name: str, content: Any) -> int:
    """Put an index in the place of the one of that name.

    Args:
        algolia: The application.
        name: The index's name.
        content: What a `.json` file holds, parsed.

    Returns:
        The number of records.

    Raises:
        ConfigError: The content is no index; `where` says the place. Nothing was changed.
    """
    with algolia.lock:
        checked = _checked(algolia, content, f"index {name}")
        _put(algolia, {name: checked})
        return len(checked.stage.changes)


def dump_index(algolia: MockAlgolia, name: str) -> dict[str, Any]:
    """An index with all accepted writes, published or not, as `{"settings", "rules", "records"}`.

    Raises:
        AlgoliaError: 404 where there is no such index.
    """
    with algolia.lock:
        content = algolia.known(name).content()
        return {
            "settings": content["settings"],
            "rules": list(content["rules"].values()),
            "records": list(content["records"].values()),
        }


def dump(algolia: MockAlgolia, directory: Path, *, replaces: Iterable[str] = ()) -> dict[str, int]:
    """Write every index, with all accepted writes, to a file of its own.

    Args:
        algolia: The application.
        directory: Where to; made if need be. Files of other indices stay.
        replaces: Indices that were loaded from there: their files go where the index is gone.

    Returns:
        The number of records by index.

    Raises:
        SourceError: The directory or a file cannot be written. No file changes before all are written, and each is
            whole, old or new.
    """
    replaced = set(replaces)
    with algolia.lock:
        indices = dict(sorted(algolia.tasks.head.items()))
        try:
            directory.mkdir(parents=True, exist_ok=True)
            written = {directory / f"{file_name(name)}.json": _lines(index) for name, index in indices.items()}
            _write(written)
            for name, path in _named(directory):
                if path not in written and (name in indices or name in replaced):
                    path.unlink()
        except OSError as error:
            raise SourceError(f"Cannot write indices: {error}", where=str(directory)) from error
        return {name: len(index.records) for name, index in indices.items()}


def file_name(index: str) -> str:
    """The name of an index's file, without its ending."""
    safe = quote(index, safe="")
    return f"%2E{safe[1:]}" if safe.startswith(".") else safe


def _files(directory: Path) -> dict[str, Path]:
    if directory.is_file():
        if directory.suffix not in ENDINGS:
            raise ConfigError(f"No index file ends in '{directory.suffix}'", where=str(directory), hint=_ENDINGS)
        return {unquote(directory.stem): directory}
    try:
        named = _named(directory)
    except OSError as error:
        raise SourceError(f"Cannot read the directory: {error}", where=str(directory)) from error
    for (name, path), (other, second) in pairwise(named):
        if name == other:
            raise ConfigError(f"Two files of one index {name}: {path.name}, {second.name}", where=str(directory))
    return dict(named)


def _named(directory: Path) -> list[tuple[str, Path]]:
    """The index files of a directory, each with its index's name; a name may be spelt in several ways."""
    paths = [path for path in directory.iterdir() if path.suffix in ENDINGS and path.name[0] != "."]
    return sorted((unquote(path.stem), path) for path in paths)


def _read(path: Path) -> Any:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"Cannot read the file: {error}", where=str(path)) from error
    if path.suffix == ".json":
        return _parsed(data, str(path))
    lines = enumerate(data.split(b"\n"), 1)
    return [_parsed(line, f"{path}:{number}") for number, line in lines if line.strip()]


def _parsed(data: bytes, where: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"Invalid JSON: {error}", where=where) from error


def _checked(algolia: MockAlgolia, content: Any, where: str) -> _Content:
    parts = {"records": content} if isinstance(content, list) else content
    if not isinstance(parts, dict):
        raise ConfigError("Expected an array of records, or an object with settings, rules and records", where=where)
    if unknown := sorted(parts.keys() - PARTS):
        raise ConfigError(f"Unknown part {unknown[0]}, expected settings, rules, records", where=where)
    return _Content(
        settings=_settings(parts.get("settings", {}), f"{where}: settings"),
        rules=_rules(parts.get("rules", []), f"{where}: rules"),
        stage=_staged(algolia, parts.get("records", []), f"{where}: records"),
    )


def _settings(given: Any, where: str) -> dict[str, Any]:
    try:
        return {name: value for name, value in check_settings(given).items() if value is not None and name != "version"}
    except AlgoliaError as refusal:
        raise ConfigError(refusal.what, where=where) from refusal


def _rules(given: Any, where: str) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for place, each in _each(given, where):
        try:
            rule = check_rule(each)
        except AlgoliaError as refusal:
            raise ConfigError(refusal.what, where=place) from refusal
        if rule["objectID"] in rules:
            raise ConfigError(f"objectID {rule['objectID']} occurs twice", where=place)
        rules[rule["objectID"]] = rule
    return rules


def _staged(algolia: MockAlgolia, given: Any, where: str) -> Stage:
    stage = Stage(base={}, bytes_max=algolia.max_record_bytes, next_id=algolia.next_object_id)
    for number, (place, record) in enumerate(_each(given, where)):
        before = len(stage.changes)
        try:
            object_id = stage.apply("updateObject", record, number)
        except AlgoliaError as refusal:
            raise ConfigError(refusal.what, where=place) from refusal
        if len(stage.changes) == before:
            raise ConfigError(f"objectID {object_id} occurs twice", where=place)
    return stage


def _each(given: Any, where: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(given, list):
        raise ConfigError("Expected an array", where=where)
    for number, each in enumerate(given):
        yield f"{where}[{number}]", each


def _put(algolia: MockAlgolia, contents: Mapping[str, _Content]) -> None:
    def change(world: World, stamp: int) -> None:
        for name, content in contents.items():
            index = world[name] = Index(name, stamp)
            index.settings, index.rules = dict(content.settings), dict(content.rules)
            index.commit(content.stage)

    if contents:
        algolia.submit(contents, change, delay_ms=0)
        algolia.tasks.publish()


def _lines(index: Index) -> Iterator[bytes]:
    yield b'{\n"settings": ' + orjson.dumps(dict(sorted(index.settings.items())))
    yield b',\n"rules": ['
    yield from _items(orjson.dumps(rule) for _, rule in sorted(index.rules.items()))
    yield b'],\n"records": ['
    yield from _items(index.records[object_id] for object_id in index.ids())
    yield b"]\n}\n"


def _items(items: Iterable[bytes]) -> Iterator[bytes]:
    separator = b"\n"
    for item in items:
        yield separator + item
        separator = b",\n"
    if separator == b",\n":
        yield b"\n"


def _write(contents: Mapping[Path, Iterable[bytes]]) -> None:
    parts = {path.with_name(f".{path.name}.part"): path for path in contents}
    try:
        for part, path in parts.items():
            with part.open("wb") as file:
                file.writelines(contents[path])
        for part, path in parts.items():
            part.replace(path)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
