"""Who is who: one person on several tokens, two people on one device."""

from __future__ import annotations

import pytest

from algosync.payloads.encode import OpaqueIds
from algosync.stores.snapshot import SNAPSHOT, Snapshot
from algosync.stores.state import open_state

pytestmark = pytest.mark.e2e


def _said(device: str, minute: int, product: str | None, *, day: int = 20, **more):
    row = {"at": f"2026-11-{day}T09:{minute:02d}:00Z", "who": device, "what": "view", "product": product}
    return {**row, "session": f"{device}-{day}", **more}


def test_logins_join_and_logouts_part(small):
    small.lighten()
    small.events(
        [
            # Anna looks around, logs in, buys, logs out; Bert uses the same tablet in the same hour.
            _said("tablet", 0, "book-1"),
            _said("tablet", 1, "book-2"),
            _said("tablet", 2, None, what="login", customer="anna"),
            _said("tablet", 3, "book-3", customer="anna"),
            _said("tablet", 4, "book-4", customer="anna", what="purchase", price=17.5, quantity=1),
            _said("tablet", 5, None, what="logout", customer="anna"),
            _said("tablet", 10, None, what="login", customer="bert"),
            _said("tablet", 11, "phone-1", customer="bert"),
            _said("tablet", 12, "phone-3", customer="bert"),
            _said("tablet", 13, "phone-5", customer="bert"),
            _said("tablet", 14, None, what="logout", customer="bert"),
            # Days later somebody who does not log in uses it.
            _said("tablet", 0, "lamp-1", day=22),
            # Anna again, on her telephone.
            _said("telephone", 0, "book-7", customer="anna", day=21),
        ]
    )

    report = small.sync()

    with open_state("sqlite", small.state, create=False, book=SNAPSHOT) as state:
        snapshot = Snapshot(state)
        anna, bert, tablet = (snapshot.person(name) for name in ("anna", "bert", "tablet"))
        assert snapshot.person("telephone") == anna
        assert snapshot.tokens_of("anna") == ["anna", "telephone"]
    assert anna["state"] == "buyer"
    assert anna["affinities"]["categories"] == {"Books": 20}
    assert anna["products"] == 5
    assert anna["visit"] == "returning"
    assert bert["state"] == "user"
    assert set(bert["affinities"]["categories"]) == {"Electronics", "Phones"}
    assert bert["products"] == 3
    # The tablet is nobody's alone: what was done on it without a login later is its own, and no more.
    assert tablet["person"] == "tablet"
    assert tablet["state"] == "visitor"
    assert tablet["affinities"]["categories"] == {"Home": 20}

    ids = OpaqueIds(key=b"a secret of the shop's own")
    pushed = small.records("algosync_payloads")
    assert ids.token("tablet") not in pushed
    assert pushed[ids.token("anna")]["optionalFilters"] == pushed[ids.token("telephone")]["optionalFilters"]
    assert "Phones" in str(pushed[ids.token("bert")])
    assert report["plan"]["families"]["profiles"]["operations"] == len(pushed)
