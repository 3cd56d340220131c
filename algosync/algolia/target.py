"""Which application of Algolia is meant, and where it answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An Algolia application and where it answers.

    Attributes:
        app_id: The application's id.
        hosts: URLs such as "http://127.0.0.1:8108"; empty for Algolia's own hosts.
    """

    app_id: str
    hosts: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What tells servers apart in the ledger, so that mock, staging and production never mix."""
        return ",".join(sorted(host.rstrip("/") for host in self.hosts)) or "algolia"
