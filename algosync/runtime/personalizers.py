"""The helpers for searches as the package exports them: those of `personalizer`, and made from a settings file too.

`personalizer` knows no settings and no stores. Here they meet: a backend on the machine of the stores asks them
directly, without the HTTP API between.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from algosync.errors import StoreError
from algosync.experience.question import Question
from algosync.personalizer import awaited, blocking
from algosync.personalizer.clients import RecommendClient, RecommendClientSync, SearchClient, SearchClientSync
from algosync.personalizer.listen import Ask
from algosync.runtime.clock import system_clock

if TYPE_CHECKING:
    from algosync.serve.stored import Stored
    from algosync.settings.models import Settings

_Search = TypeVar("_Search")
_Recommend = TypeVar("_Recommend")


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


class _FromConfig(ABC, Generic[_Search, _Recommend]):
    """What both kinds have in common: they can be made from a settings file."""

    _here: Here | None = None

    @abstractmethod
    def __init__(
        self,
        search: _Search,
        recommend: _Recommend | None = None,
        *,
        experience: Ask | None = None,
        visitor_secrets: Sequence[str] = (),
        budget_s: float = blocking.BUDGET_S,
    ) -> None: ...

    @classmethod
    def from_config(
        cls,
        config: str | Path,
        search: _Search,
        recommend: _Recommend | None = None,
        *,
        budget_s: float = blocking.BUDGET_S,
    ) -> Self:
        """A personalizer that reads the snapshot where it lies; `visitor_key` signs with the shop's own secrets.

        Args:
            config: The settings file, `config/algosync.toml`.
            search: The shop's client for searches, of the personalizer's kind.
            recommend: The shop's client for Recommend, for the methods that recommend.
            budget_s: How long to wait for the experience, in seconds.

        Raises:
            ConfigError: The settings are wrong, or a client is of the other kind.
        """
        from algosync.settings.load import load

        settings = load(Path(config))
        here = Here(settings, Path(config).absolute().parent)
        secrets = [secret.get_secret_value() for secret in settings.serve.visitor_secrets]
        made = cls(search, recommend, experience=here.ask, visitor_secrets=secrets, budget_s=budget_s)
        made._here = here
        return made


class Personalizer(blocking.Personalizer, _FromConfig[SearchClientSync, RecommendClientSync]):
    """Personalized search and Recommend over the official client: see `personalizer.blocking`."""

    def close(self) -> None:
        """Ends the threads, and gives the stores or the connections to the HTTP API back."""
        super().close()
        if self._here is not None:
            self._here.close()


class AsyncPersonalizer(awaited.AsyncPersonalizer, _FromConfig[SearchClient, RecommendClient]):
    """Personalized search and Recommend over the official client, for asyncio: see `personalizer.awaited`."""

    async def close(self) -> None:
        """Ends the threads, and gives the stores or the connections to the HTTP API back."""
        await super().close()
        if self._here is not None:
            self._here.close()
