"""The helpers for searches as the package exports them: those of `personalizer`, and made from a settings file too.

`personalizer` knows no settings and no stores. Here they meet: a backend on the machine of the stores asks them
directly, without the HTTP API between.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from algosync.errors import StoreError
from algosync.experience.question import Question
from algosync.personalizer import awaited, blocking
from algosync.personalizer.clients import RecommendClient, RecommendClientSync, SearchClient, SearchClientSync
from algosync.runtime.clock import system_clock

if TYPE_CHECKING:
    from algosync.serve.stored import Stored
    from algosync.settings.models import Settings


class Here:
    """Answers from the stores where they lie, with the same code as the HTTP API; everybody may be asked about.

    The process needs the rights that `algosync serve` needs: to write in the state directory.

    Args:
        settings: The settings.
        base: The folder of the settings file.

    Raises:
        ConfigError: The settings are wrong.
    """

    def __init__(self, settings: Settings, base: Path) -> None:
        from algosync.serve.stored import Place
        from algosync.settings.answers import shop_answers

        self._place = Place(url=settings.state.url, directory=base / settings.state.directory)
        self._shop = shop_answers(settings, base)
        self._lock = Lock()
        self._stack = ExitStack()
        self._desk: Stored | None = None
        # A later question opens what cannot be opened now; until then a search goes plain, and says why.
        with suppress(StoreError):
            self._opened()

    def ask(self, question: Question) -> Mapping[str, Any]:
        """The document of an experience.

        Raises:
            RequestError: There is no snapshot yet.
            StoreError: The stores cannot be read now.
        """
        return self._opened().answer(question, lambda _: None, now=system_clock())

    def close(self) -> None:
        """Gives the stores back; the next question opens them again."""
        with self._lock:
            self._desk = None
            self._stack.close()

    def _opened(self) -> Stored:
        from algosync.serve.stored import Stored, open_inbox

        with self._lock:
            if self._desk is None:
                inbox = self._stack.enter_context(open_inbox(self._place))
                self._desk = Stored(self._place, self._shop, inbox)
                self._stack.callback(self._desk.close)
            return self._desk


class Personalizer(blocking.Personalizer):
    """Personalized search and Recommend over the official client: see `personalizer.blocking`."""

    _here: Here | None = None

    @classmethod
    def from_config(
        cls,
        config: str | Path,
        search: SearchClientSync,
        recommend: RecommendClientSync | None = None,
        *,
        budget_s: float = blocking.BUDGET_S,
    ) -> Self:
        """A personalizer that reads the snapshot where it lies; `visitor_key` signs with the shop's own secrets.

        Args:
            config: The settings file, `config/algosync.toml`.
            search: The shop's `SearchClientSync`.
            recommend: The shop's `RecommendClientSync`, for the methods that recommend.
            budget_s: How long to wait for the experience, in seconds.

        Raises:
            ConfigError: The settings are wrong, or a client is one of asyncio.
        """
        here, secrets = _made(config)
        made = cls(search, recommend, experience=here.ask, visitor_secrets=secrets, budget_s=budget_s)
        made._here = here
        return made

    def close(self) -> None:
        """Ends the threads, and gives the stores or the connections to the HTTP API back."""
        super().close()
        if self._here is not None:
            self._here.close()


class AsyncPersonalizer(awaited.AsyncPersonalizer):
    """Personalized search and Recommend over the official client, for asyncio: see `personalizer.awaited`."""

    _here: Here | None = None

    @classmethod
    def from_config(
        cls,
        config: str | Path,
        search: SearchClient,
        recommend: RecommendClient | None = None,
        *,
        budget_s: float = blocking.BUDGET_S,
    ) -> Self:
        """A personalizer that reads the snapshot where it lies; `visitor_key` signs with the shop's own secrets.

        Args:
            config: The settings file, `config/algosync.toml`.
            search: The shop's `SearchClient`.
            recommend: The shop's `RecommendClient`, for the methods that recommend.
            budget_s: How long to wait for the experience, in seconds.

        Raises:
            ConfigError: The settings are wrong, or a client is one that waits.
        """
        here, secrets = _made(config)
        made = cls(search, recommend, experience=here.ask, visitor_secrets=secrets, budget_s=budget_s)
        made._here = here
        return made

    async def close(self) -> None:
        """Ends the threads, and gives the stores or the connections to the HTTP API back."""
        await super().close()
        if self._here is not None:
            self._here.close()


def _made(config: str | Path) -> tuple[Here, tuple[str, ...]]:
    from algosync.settings.load import load

    settings = load(Path(config))
    secrets = tuple(secret.get_secret_value() for secret in settings.serve.visitor_secrets)
    return Here(settings, Path(config).absolute().parent), secrets
