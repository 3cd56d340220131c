"""Receipts: the explanation of one person's answer, of now or of a moment in the past.

Opens the log and the inbox for reading, takes the inbox's events of that person into a scratch log, and lets the same
code judge her that judges everybody. Asks nobody else and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from algosync.errors import RequestError
from algosync.events.writer import ScratchWriter
from algosync.experience.answer import answer
from algosync.experience.question import Known, Question
from algosync.experience.receipts import receipts, session_step
from algosync.experience.shop import ShopAnswers
from algosync.profiles.conditions import Segments
from algosync.runtime.one_person import OnePerson, Shelves
from algosync.runtime.opening import Opening
from algosync.runtime.past import Past, ShelfThen, past
from algosync.serve.explain import Asked, Draft
from algosync.settings import rules as made
from algosync.settings.answers import shop_answers
from algosync.settings.definitions import load_segments
from algosync.settings.models import Settings
from algosync.settings.shop import people_rules, shop_rules
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.orders import NO_ORDER
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.stores.view import View
from algosync.sync.cycle import ShopRules
from algosync.sync.explain import Case, Explained, explain
from algosync.sync.orders import Orders, forgotten, read_orders
from algosync.sync.profiles import PeopleRules
from algosync.sync.results import Results
from algosync.sync.users import read_users


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """What one explanation has open."""

    backend: Backend
    writer: ScratchWriter
    snapshot: Snapshot
    view: View
    inbox: Inbox
    rules: ShopRules
    results: Results
    orders: Orders
    past: Past | None


class Receipts:
    """Explains answers; `serve.explain.Explainer`.

    Args:
        opening: Opens the stores.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening

    def explain(self, asked: Asked) -> dict[str, Any]:
        """The document of one person.

        Raises:
            RequestError: Nobody of that name is known, or nothing is kept of that moment.
            ConfigError: Settings or the draft are wrong.
            StoreError: Nothing can be read now.
        """
        opening, now = self._opening, self._opening.clock()
        if asked.at is not None and asked.at > now:
            raise RequestError("lies in the future", where="at", hint="Leave it out to explain the answer of now")
        with ExitStack() as stack:
            state = stack.enter_context(opening.state(create=False))
            snapshot = Snapshot(stack.enter_context(opening.state(create=False, book=SNAPSHOT)))
            view = stack.enter_context(snapshot.view())
            if not view.generation:
                raise RequestError("there is no snapshot yet", where="state", hint="Run `algosync sync`", status=503)
            writer = ScratchWriter(state)
            stack.callback(writer.close)
            held = _Open(
                backend=stack.enter_context(opening.backend()),
                writer=writer,
                snapshot=snapshot,
                view=view,
                inbox=Inbox(stack.enter_context(opening.state(create=False, book=INBOX))),
                rules=shop_rules(opening.settings, opening.base, now),
                results=Results(opening.directory / "results"),
                orders=read_orders(writer.log, until=asked.at),
                past=None if asked.at is None else past(state, opening.settings, asked.at),
            )
            return _Explanation(held, asked, opening, asked.at or now).document()


class _Explanation:
    """One explanation, step by step."""

    def __init__(self, held: _Open, asked: Asked, opening: Opening, moment: datetime) -> None:
        self._held = held
        self._asked = asked
        self._opening = opening
        self._moment = moment
        self._one = OnePerson(asked.user, self._shelves())

    def document(self) -> dict[str, Any]:
        """All of it."""
        asked, held, then = self._asked, self._held, self._held.past
        number = self._one.numbers.get(asked.user)
        orders = held.orders.of(asked.user)
        if number is None and orders == NO_ORDER:
            hint = "Run `algosync sync` first; see the tokens in your events"
            raise RequestError("nothing is known of this user", where="user", hint=hint, status=404)
        found = self._explained(number)
        question = asked.question or Question(user_token=asked.user)
        profile, recent = self._lately(found)
        known = self._known(found, profile)
        shelf = ShelfThen(held.view, then.declared) if then is not None else held.view
        made_ = receipts(question, known, self._shop, shelf, now=self._moment)
        said = answer(question, known, self._shop, shelf, now=self._moment).document()
        return {
            "person": found.person,
            "tokens": [found.person, *sorted({*found.tokens, *held.view.tokens_of(found.person)} - {found.person})],
            **(found.document or self._nothing(found)),
            "actions": made_.pop("actions"),
            "history": self._history(found.person),
            "orders": self._orders(found),
            "consent": known.choice,
            "recent": recent,
            "answer": said,
            "receipts": made_,
            "at": None if asked.at is None else asked.at.isoformat(),
            "settings": None if then is None else then.document(),
            "inexact": [] if then is None else list(then.inexact(self._as_of)),
        }

    def _explained(self, number: int | None) -> Explained:
        user = self._asked.user
        if number is None:
            return Explained(person=user, present=user, document=None, profile=None, tokens=(user,))
        rules = self._people
        told, _ = read_users(self._held.rules.users, self._one.numbers) if self._held.rules.users else (None, 0)
        case = Case(
            asked=number,
            rules=rules,
            as_of=self._as_of,
            users=told,
            orders=self._held.orders.table(self._one.numbers),
            previous=self._previous(),
            names=self._one.names,
            objects=self._held.writer.log.ids("object"),
            collector=None if self._shop.overlay is None else self._shop.overlay.arrivals.source,
        )
        return explain(self._held.backend, case)

    # --- what was there

    def _shelves(self) -> Shelves:
        held = self._held
        return Shelves(
            backend=held.backend,
            writer=held.writer,
            view=held.view,
            inbox=held.inbox,
            sources=held.rules.sources,
            overlay=self._shop.overlay,
            ordered=frozenset(held.orders.by_name),
        )

    @property
    def _arrived(self) -> Mapping[int, bool]:
        """What lies in the inbox; of now alone."""
        return {} if self._held.past is not None else self._one.arrived

    @cached_property
    def _as_of(self) -> datetime:
        """The stored profile's moment while nothing has come since, as answers have it; else that of the answer."""
        held, then = self._held, self._held.past
        stored = datetime.fromisoformat(held.view.as_of) if then is None else then.run_as_of
        if held.rules.as_of != "clock":
            newest = held.writer.log.newest() if self._arrived else None
            return newest or stored or self._moment
        if (
            stored is None
            or self._has_new_orders
            or self._arrived
            or (then is not None and self._one.came(stored, self._moment))
        ):
            return self._moment
        return stored

    @property
    def _has_new_orders(self) -> bool:
        heeded = self._held.view.heeded
        return self._held.past is None and any(self._held.orders.of(name).reset_seq > heeded for name in self._one.hers)

    def _previous(self) -> Mapping[tuple[int, str, str], int]:
        """Published integers, which hold while the scores hardly move; those of then are not kept."""
        held = self._held
        if held.past is not None:
            return {}
        table = forgotten(held.results.integers(), held.orders.anew(held.view.heeded), self._one.numbers)
        if table is None:
            return {}
        hers = table.filter(pc.is_in(table["person"], value_set=pa.array(list(self._one.names), pa.int64())))
        return {(row["person"], row["facet"], row["value"]): row["integer"] for row in hers.to_pylist()}

    # --- by which rules

    @cached_property
    def _settings(self) -> Settings:
        return self._opening.settings if self._held.past is None else self._held.past.settings

    @cached_property
    def _draft(self) -> Draft | None:
        if self._held.past is None:
            return self._asked.draft
        kept, drafted = self._held.past.draft, self._asked.draft or {}
        return {name: {**kept.get(name, {}), **drafted.get(name, {})} for name in ("segments", "actions")}

    @cached_property
    def _segments(self) -> Segments:
        return load_segments(self._settings, self._opening.base, self._draft)

    @cached_property
    def _people(self) -> PeopleRules:
        then = self._held.past
        declared = self._held.view.declared(None) if then is None else then.declared_by_all
        rules = people_rules(self._settings, self._segments)
        return replace(rules, policy=made.filter_policy(self._settings, declared))

    @cached_property
    def _shop(self) -> ShopAnswers:
        return shop_answers(self._settings, self._opening.base, self._draft)

    # --- what it comes to

    def _lately(self, found: Explained) -> tuple[Mapping[str, Any] | None, dict[str, Any]]:
        """Her profile with the weight of the session in it, and what has come since the last run."""
        overlay, then = self._shop.overlay, self._held.past
        profile = found.profile if found.person == found.present else None
        if then is None:
            steps = {key: step for key, step in found.steps.items() if key in self._arrived}
            fresh = sum(self._arrived[key] for key in steps)
        else:
            steps, run = dict(found.steps), then.run_as_of
            fresh = 0 if run is None else sum(step.at > run.timestamp() for step in steps.values())
        if profile is None or overlay is None:
            return profile, {"events": fresh, "session": None}
        weighed, session = session_step(profile["affinities"], found.scores, steps.values(), overlay, now=self._moment)
        return {**profile, "affinities": weighed}, {"events": fresh, "session": session}

    def _known(self, found: Explained, profile: Mapping[str, Any] | None) -> Known:
        held, asked = self._held, self._asked
        tokens = {asked.user, found.present, *found.tokens} if found.person == found.present else {asked.user}
        if any(held.orders.of(name).suppressed for name in (asked.user, found.present)):
            return Known(suppressed=True)
        lately = held.inbox.visitor(tokens, 0)
        choice = None if lately.choice is None else lately.choice.consent
        if asked.at is not None and (lately.choice is None or lately.choice.at > asked.at):
            choice = "not_personalized" if found.consent == "not_personalized" else None
        shown = {action: [at for at in times if at <= self._moment] for action, times in lately.impressions.items()}
        return Known(
            person=profile,
            choice=choice,
            impressions=shown,
        )

    def _nothing(self, found: Explained) -> dict[str, Any]:
        """The document of somebody of whom no event may be used."""
        said = "no event of hers may be used: "
        order = self._held.orders.of(found.person)
        if order.suppressed:
            said += "suppressed by the shop"
        elif order.reset_at is not None:
            said += "none has come since her profile was to start anew"
        elif found.consent == "not_personalized":
            said += "she chose not to be personalized"
        else:
            said += "they lack consent, are ignored, or came later"
        return {
            "as_of": self._as_of.isoformat(),
            **dict.fromkeys(("visit", "state", "first_seen", "last_seen")),
            **dict.fromkeys(("sessions", "events", "products", "distinct_sums"), 0),
            "ready": False,
            "reason": said,
            "attributes": {},
            "half_life_days": self._people.affinity.half_life_days,
            **{name: [] for name in ("affinities", "optionalFilters", "left_out", "segments")},
        }

    def _history(self, person: str) -> list[dict[str, Any]]:
        at = self._asked.at
        rows = self._held.snapshot.history(person)
        return [row for row in rows if at is None or datetime.fromisoformat(str(row["entered_at"])) <= at]

    def _orders(self, found: Explained) -> list[dict[str, Any]]:
        named = {self._asked.user, found.person, found.present, *found.tokens}
        return [
            {"order": one.kind, "at": one.at.isoformat(), "token": one.name}
            for one in self._held.orders.given
            if one.name in named
        ]
