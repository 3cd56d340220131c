"""Personalization on Algolia that a shop owns.

The public names are imported when they are asked for: `algosync --help` needs none of them. They are named as text, so
that a room which reads the version does not, by this module, know the rooms above it; their types are in the stub.
"""

from importlib import import_module

__version__ = "0.1.0"

_PUBLIC = {
    "AsyncPersonalizer": "algosync.runtime.personalizers",
    "Personalizer": "algosync.runtime.personalizers",
}


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
