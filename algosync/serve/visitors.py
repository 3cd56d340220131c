"""Who is there, and what is known of her now: the snapshot, with what the inbox has since laid over it.

What was worked out stays in memory for as long as nothing that it is made of has changed, so that of a visit's next
page only what is new is read and judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from threading import Lock
from typing import Final

from algosync.experience.overlay import Overlaid, OverlayRules, Recent
from algosync.experience.question import Known
from algosync.experience.session import Share
from algosync.profiles.tally_document import load_standing
from algosync.serve.desk import Person
from algosync.serve.overlaying import Home, Laid, Moment, Work, unheeded
from algosync.stores.inbox import Inbox, Lately
from algosync.stores.orders import Order, OrdersAtHand
from algosync.stores.view import COUNTED_BY, View

TOKENS_MAX: Final = 20
"""Of one visitor, whose events are looked at; nobody has more within two hours."""
KEPT_EVENTS: Final = 50_000
"""Events of all visitors that are kept in memory, about a kilobyte each."""

_ROUNDS: Final = 4
"""Two for whoever was there at the last run, two for whoever is there now: her other tokens, then what is hers."""

Allow = Callable[[Person | None], None]


class Visitors:
    """What is known of those who ask.

    Args:
        inbox: What came in since.
        orders: What the shop ordered for single visitors.
        rules: What a run would judge by; None lays nothing over what is stored.
        shown: Whether impressions count.
    """

    def __init__(self, inbox: Inbox, orders: OrdersAtHand, rules: OverlayRules | None, *, shown: bool) -> None:
        self._inbox = inbox
        self._orders = orders
        self._rules = rules
        self._shown = shown
        self._lock = Lock()
        self._laid: dict[str, Laid] = {}
        self._kept = 0
        self._day = ("", date.min)

    def known(self, view: View, token: str, allow: Allow, *, now: datetime) -> Known:
        """What is known of whoever is at a token; without her choice of consent nothing is, so no error is caught.

        Args:
            view: The snapshot.
            token: The token.
            allow: Called with the document of whose things would be told, before any of them is used; raises where
                the asker may not have them. She may be another than the snapshot says: a login or a logout may have
                come since.
            now: This moment.
        """
        home, laid, lately = self._there(view, token, now=now)
        allow(_opened(token, home, None if laid is None else laid.over))
        document = home.document if laid is None else laid.over.document
        return self._answered(view, token, home, document, lately, laid=laid is not None)

    def here(self, view: View, token: str, *, now: datetime) -> frozenset[str]:
        """The tokens of whoever is at a token now, that one among them, but for those that she has left.

        Args:
            view: The snapshot.
            token: The token.
            now: This moment.
        """
        home, _, _ = self._there(view, token, now=now)
        return (home.tokens - home.gone) | {token}

    def forget(self) -> None:
        """Forgets what was worked out: another snapshot counts its generations anew."""
        with self._lock:
            self._laid.clear()
            self._kept = 0

    def _there(self, view: View, token: str, *, now: datetime) -> tuple[Home, Laid | None, Lately]:
        """Who is at a token, what was laid over what is stored of her, and what the inbox holds of her tokens."""
        home: Home = view.once("home", token, partial(_home, view))
        laid, tokens, rules = self._laid.get(token), home.tokens, self._rules
        if laid is not None and laid.moment != _moment(view):
            laid = None
        if laid is not None:
            tokens = tokens | laid.tokens
        lately = self._lately(tokens)
        quiet = lately.mark == (0, 0) and not self._is_of_another_day(home, view, now)
        if quiet or rules is None or (laid is None and not _is_counted(view, rules)):
            return home, None, lately if tokens == home.tokens else self._lately(home.tokens)
        orders = tuple(self._orders.of_any(sorted(tokens)))
        if (
            laid is None
            or (laid.inbox, laid.tokens, laid.mark, laid.orders) != (lately.inbox, tokens, lately.mark, orders)
            or not laid.made_at <= now < laid.over.until
        ):
            laid = self._lay(view, token, home, rules, now)
            self._keep(token, laid)
        return laid.home, laid, lately if laid.home.tokens == tokens else self._lately(laid.home.tokens)

    def _is_of_another_day(self, home: Home, view: View, now: datetime) -> bool:
        """Whether a stored document says of another day who is in a segment that looks back over days."""
        rules = self._rules
        if rules is None or home.document is None or not (rules.by_clock and rules.segments.windows):
            return False
        if self._day[0] != view.as_of:
            self._day = view.as_of, datetime.fromisoformat(view.as_of).astimezone(UTC).date()
        return self._day[1] != now.astimezone(UTC).date()

    def _lately(self, tokens: frozenset[str]) -> Lately:
        return self._inbox.visitor(tokens, 0, shown=self._shown)

    def _answered(
        self, view: View, token: str, home: Home, document: Person | None, lately: Lately, *, laid: bool = False
    ) -> Known:
        if orders := self._orders.of_any((token,) if home.name == token else (token, home.name)):
            if any(order.suppressed for order in orders):
                return Known(suppressed=True)
            if not laid and unheeded(view, orders):
                document = None  # what is stored of her is from before her profile was to start anew
        choice = lately.choice
        if choice is not None and choice.consent == "for_you" and home.gone:
            # Where she is not any more, somebody else may allow what she has not.
            choice = self._lately(home.tokens - home.gone).choice
        consent = None if choice is None else choice.consent
        return Known(person=document, choice=consent, impressions=lately.impressions)

    def _lay(self, view: View, token: str, home: Home, rules: OverlayRules, now: datetime) -> Laid:
        before, moment, inbox = self._laid.get(token), _moment(view), self._inbox.identity()
        same = before is not None and (before.moment, before.inbox) == (moment, inbox)
        work = Work(view, inbox, rules, now=now, before=before if same else None)
        tokens, mark, orders = home.tokens, (0, 0), tuple[Order, ...]()
        shares: dict[str, tuple[Recent, Share]] = {}
        for turn in range(_ROUNDS):
            # First the mark: what comes after it is then found missing by the next answer, if not by this one.
            mark, orders = self._lately(tokens).mark, tuple(self._orders.of_any(sorted(tokens)))
            named_ = work.take(self._inbox, tokens, mark)
            others = sorted(named_ - tokens)[: max(0, TOKENS_MAX - len(tokens))]
            if others and turn < _ROUNDS - 1:  # she logged in there, and what else happened there may be hers too
                tokens |= set(others)
                continue
            shares = work.shares((token, home.name), self._ordered(tokens) if orders else {})
            present = shares[token][1].present
            if present == home.name:
                break
            home = _of_person(view, token, present)
            tokens |= home.tokens
        over = work.overlaid(home, shares, self._ordered(tokens) if orders else {})
        seen = {name for name, (_, shared) in shares.items() if shared.present == home.name}
        gone = (home.gone | (shares.keys() & home.tokens)) - seen - {token, home.name}
        return Laid(
            moment=moment,
            inbox=inbox,
            tokens=tokens,
            mark=mark,
            orders=orders,
            home=replace(home, tokens=home.tokens | seen, gone=gone),
            over=over,
            made_at=now,
            read=work.read,
            shares=shares,
            tallies=work.tallies,
            said=work.said,
            left=work.left,
        )

    def _ordered(self, tokens: Iterable[str]) -> dict[str, Order]:
        return {name: self._orders.of(name) for name in sorted(tokens)}

    def _keep(self, token: str, laid: Laid) -> None:
        with self._lock:
            self._forget(token)
            while self._laid and self._kept + len(laid.read) + 1 > KEPT_EVENTS:
                self._forget(next(iter(self._laid)))
            self._laid[token] = laid
            self._kept += len(laid.read) + 1

    def _forget(self, token: str) -> None:
        gone = self._laid.pop(token, None)
        if gone is not None:
            self._kept -= len(gone.read) + 1


def _home(view: View, token: str) -> Home:
    """Who is there by what is stored: by how the token stands, else by what all of its events belong to."""
    told = view.standing(token)
    if told is not None:
        return _of_person(view, token, load_standing(told).login or token)
    found = view.person(token)
    return _of_person(view, token, token if found is None else found["person"])


def _of_person(view: View, token: str, name: str) -> Home:
    found = view.person(name)
    document = found if found is not None and found["person"] == name else None
    alone = name == token and (document is None or document.get("authenticated") is False)
    tokens = frozenset({token}) if alone else view.tokens_of(name) | view.tokens_standing_with(name) | {token}
    gone = {
        other for other in tokens - view.tokens_standing_with(name) - {token, name} if view.standing(other) is not None
    }
    return Home(name=name, document=document, tokens=tokens, gone=frozenset(gone))


def _opened(token: str, home: Home, over: Overlaid | None) -> Person | None:
    """Whose things an answer would tell, as the one who allows it must see her: logged in, if anything says so."""
    document = home.document if over is None else over.document
    stored = home.document is not None and bool(home.document.get("authenticated"))
    logged_in = stored or home.name != token or (over is not None and over.logged_in)
    if document is None:
        return {"person": home.name, "authenticated": True, "state": "user"} if logged_in else home.document
    return {**document, "authenticated": True} if logged_in and not document.get("authenticated") else document


def _moment(view: View) -> Moment:
    return view.generation, view.as_of, view.inbox()


def _is_counted(view: View, rules: OverlayRules) -> bool:
    """Whether the snapshot holds tallies that can be added to, made by the rules that are in force here."""
    return view.is_counted and rules.counted_by in (None, view.about.get(COUNTED_BY))
