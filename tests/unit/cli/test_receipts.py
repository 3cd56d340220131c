"""What people read of receipts and orders."""

from __future__ import annotations

import pytest

from algosync.cli import receipts, render

EVENT = {"kind": "view", "objectID": "book-1", "at": "2026-11-20T10:00:00+00:00", "weight": 1.0, "age_days": 1.0}
VALUE = {
    "facet": "brand",
    "value": "[bold]Acme",
    "points": 7.0,
    "largest": 7.0,
    "score": 15.4,
    "previous": 16,
    "integer": 16,
    "held": True,
    "event_count": 7,
    "rest": 0.0,
    "rest_events": 0,
    "filter": {"weight": 100, "product": 1600, "level": 2, "score": 2000},
    "events": [{**EVENT, "id": f"{n}" * 32, "points": 1.0} for n in range(7)],
}
REPORT = {
    "person": "anna",
    "tokens": ["anna", "phone"],
    "as_of": "2026-11-20T12:00:00+00:00",
    "half_life_days": 30.0,
    "visit": "returning",
    "state": "buyer",
    "sessions": 2,
    "events": 7,
    "products": 1,
    "ready": True,
    "reason": "enough",
    "attributes": {"age": "30"},
    "affinities": [VALUE],
    "left_out": [],
    "segments": [{"id": "fans", "member": True, "why": [{"depth": 0, "condition": "view: 7", "holds": True}]}],
    "actions": [{"id": "hello", "fires": False, "reason": "not here"}],
    "orders": [{"order": "reset", "token": "anna", "at": "2026-11-01T00:00:00+00:00"}],
    "settings": {"digest": "0123456789abcdef", "since": "2026-11-02T00:00:00+00:00"},
    "inexact": ["lists of products are those of now"],
    "recent": {
        "events": 2,
        "session": {
            "events": 2,
            "facets": {"brand": {"events": 2, "distance": 1.0, "share": 0.4}},
            "values": [
                {
                    "facet": "brand",
                    "value": "Bolt",
                    "profile": 2.0,
                    "session": 20.0,
                    "score": 17.25,
                    "before": 2,
                    "integer": 17,
                }
            ],
        },
    },
    "answer": {"strategy": "one-to-one", "reason": "ready"},
    "receipts": {
        "applied": {"applies": False, "reason": "3 words"},
        "filters": [
            {
                "filter": "brand:Acme",
                "source": "profile",
                "integer": 16,
                "weight": 100,
                "product": 1600,
                "level": 2,
                "score": 2000,
            }
        ],
    },
}


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setattr(render.out, "width", 160)


def _shown(capsys, show, report):
    show(report)
    return " ".join(capsys.readouterr().out.split())


def test_every_step_from_event_to_filter_can_be_read(capsys):
    shown = _shown(capsys, receipts.explain, REPORT)
    for part in (
        *("anna: returning buyer, 2 sessions, 7 events", "also known as phone", "2 events since the last run"),
        *("[bold]Acme", "15.40 16 (held) 1,600 <score=2000>", "00000000 view book-1 2026-11-20", "2 more events"),
        *("in segment fans", "✓ view: 7", "action hello: does not fire: not here", "ordered by the shop: reset anna"),
        *("by the settings 0123456789ab, in use since", "not exact: lists of products"),
        *("2 events have a share of brand 40%", "Bolt 2.00 20.00 17.25 2 17"),
        *(
            "The answer: one-to-one, since ready",
            "do not apply here: 3 words",
            "brand:Acme profile 16 100 1,600 2 2,000",
        ),
    ):
        assert part in shown, part


def test_somebody_of_whom_nothing_counts_is_a_sentence(capsys):
    nothing = {"visit": None, "reason": "no event of hers may be used", "affinities": [], "segments": [], "orders": []}
    shown = _shown(capsys, receipts.explain, {**REPORT, **nothing, "recent": {"events": 0, "session": None}})
    assert shown.startswith("anna: no event of hers may be used")


@pytest.mark.parametrize(
    ("order", "given", "suppressed", "said"),
    [
        ("reset", True, [], "anna, phone starts anew"),
        ("suppress", True, [], "anna, phone is suppressed"),
        ("lift", True, ["anna"], "anna, phone is personalized again"),
        ("lift", False, [], "not suppressed, so that there is nothing to lift"),
        ("suppress", False, ["anna", "phone"], "suppressed already"),
        ("reset", False, [], "nothing was changed"),
    ],
)
def test_what_became_of_an_order(capsys, order, given, suppressed, said):
    report = {"order": order, "given": given, "tokens": ["anna", "phone"], "suppressed": suppressed}
    assert said in _shown(capsys, receipts.order, report)


def test_nobody_is_asked_where_nobody_can_answer(capsys):
    ask = receipts.confirm_order(json=True)
    assert ask({"order": "reset", "tokens": ["anna"]}) is False
    out, err = capsys.readouterr()
    assert (out, "run with --yes" in err) == ("", True)
