"""What a visitor chose: the request says it, else what is stored, else the shop's default."""

from __future__ import annotations

from typing import NamedTuple

from algosync.experience.question import Consent


class Choice(NamedTuple):
    """The consent that holds, and where it comes from, in words."""

    consent: Consent
    source: str


def effective(asked: Consent | None, stored: Consent | None, default: Consent) -> Choice:
    """The consent that holds for one answer."""
    if asked is not None:
        return Choice(asked, "the request says so")
    if stored is not None:
        return Choice(stored, "the visitor chose so")
    return Choice(default, "nothing was chosen, and that is the shop's default")
