"""Reads the settings: the TOML file, then the environment over it. The only reader of os.environ.

A bad file is answered with every bad key at once: its path, what is wrong, what is allowed.
"""

from __future__ import annotations

import difflib
import os
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError

from algosync.errors import ConfigError
from algosync.settings.models import Settings

PREFIX = "ALGOSYNC_"
NOT_SETTINGS = {"ALGOSYNC_CONFIG", "ALGOSYNC_TEST_DATA"}

_MESSAGES = {
    "missing": "is missing",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "model_type": "must be a table of keys",
    "model_attributes_type": "must be a table of keys",
}


def load(path: Path) -> Settings:
    """Reads the settings file and the environment.

    Args:
        path: The TOML file. Paths inside it are relative to its folder.

    Raises:
        ConfigError: The file is absent or no TOML, or any key is unknown, missing or out of range.
    """
    _check_file(path)
    _check_environment()

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=path)

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return env_settings, TomlConfigSettingsSource(settings_cls)

    try:
        return FromFile()  # type: ignore[call-arg]  # the sources fill it
    except ValidationError as error:
        raise ConfigError(explain(error), where=str(path)) from None
    except SettingsError as error:
        raise ConfigError(str(error), where="environment", hint="Lists and tables are written as JSON there.") from None


def _check_file(path: Path) -> None:
    try:
        tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "no settings file there",
            where=str(path),
            hint="Copy config/algosync.toml, or name yours with --config.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read ({type(error).__name__})", where=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not TOML: {error}", where=str(path)) from None


def _check_environment() -> None:
    known = list(Settings.model_fields)
    wrong = []
    for name in sorted(os.environ):
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        section = name.removeprefix(PREFIX).partition("__")[0].lower()
        if section not in known:
            wrong.append(f"{name}: there is no section '{section}'{_closest(section, known)}")
    if wrong:
        raise ConfigError("\n".join(["these variables name no setting:", *wrong]), where="environment")


def explain(error: ValidationError) -> str:
    """Says every bad key of a settings file: one line each, with its path, what is wrong and what is allowed."""
    problems = error.errors(include_url=False, include_input=False)
    lines = [_line(problem) for problem in problems]
    count = "1 key is wrong" if len(lines) == 1 else f"{len(lines)} keys are wrong"
    return "\n".join([f"{count}:", *(f"  {line}" for line in sorted(lines))])


def _line(problem: Mapping[str, Any]) -> str:
    location = tuple(problem["loc"])
    model, path, here = _walk(location)
    kind = problem["type"]
    context = problem.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = _names(model)
        return f"{path}: unknown key{_closest(str(location[-1]), allowed)}; allowed here: {', '.join(allowed)}"
    if kind == "union_tag_invalid":
        return f"{path}.type: '{context['tag']}' is not one of {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return f"{path}.type: is missing; allowed are {', '.join(_tags(here))}"
    if kind == "literal_error":
        return f"{path}: must be {context['expected']}"
    if kind == "value_error":
        return f"{path}: {context['error']}" if path else str(context["error"])
    message = _MESSAGES.get(kind) or str(problem["msg"]).replace("Input should", "must").replace(
        "String should", "must"
    )
    return f"{path}: {message}"


def _walk(location: tuple[str | int, ...]) -> tuple[type[BaseModel] | None, str, Any]:
    """The model that holds the last key of a location, the key's path as the file writes it, and what it may hold."""
    here: Any = Settings
    parent: type[BaseModel] | None = None
    path = ""
    for part in location:
        here = _strip(here)
        tagged = _tagged(here, part)
        if tagged is not None:
            here = tagged
            continue
        parent = here if _is_model(here) else None
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
        here = _below(here, part)
    return parent, path, _strip(here)


def _tags(union: Any) -> list[str]:
    """What `type` may say in a tagged union."""
    members = filter(_is_model, map(_strip, get_args(union)))
    return [tag for member in members for tag in get_args(member.model_fields["type"].annotation)]


def _strip(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _tagged(annotation: Any, part: str | int) -> Any:
    """The member of a union that a discriminator or a class name within an error's location picks, else None."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return None
    for member in map(_strip, get_args(annotation)):
        if _is_model(member):
            tag = member.model_fields.get("type")
            if part == member.__name__ or (tag is not None and part in get_args(tag.annotation)):
                return member
        elif part == getattr(member, "__name__", None):
            return member
    return None


def _below(annotation: Any, part: str | int) -> Any:
    if _is_model(annotation):
        for name, field in annotation.model_fields.items():
            if part in (name, field.alias):
                return field.annotation if not field.metadata else Annotated[field.annotation, *field.metadata]
        return None
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return arguments[1]
    return arguments[0] if arguments else None


def _names(model: type[BaseModel] | None) -> list[str]:
    return [] if model is None else [field.alias or name for name, field in model.model_fields.items()]


def _closest(name: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(name, allowed, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
