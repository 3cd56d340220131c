"""The same expressions for DuckDB and Spark."""

from __future__ import annotations

from datetime import UTC, datetime

import ibis
import pytest
from ibis.config import Config

from algosync.profiles.affinity import AffinityRules
from algosync.profiles.attributes import attributes
from algosync.profiles.batch_affinity import arithmetic, scores, sums, top_scores
from algosync.profiles.batch_facts import facts
from algosync.profiles.batch_readiness import readiness
from algosync.profiles.batch_segments import Known, memberships
from algosync.profiles.batch_tallies import Counts, documents, marks, parted
from algosync.profiles.batch_visitors import visitors
from algosync.profiles.definitions import parse_segments
from algosync.profiles.identity import identify, left_out, standings, usable
from algosync.profiles.readiness import ReadinessRules
from algosync.profiles.returns import net_of_returns, unmatched_returns

AS_OF = datetime(2026, 4, 1, tzinfo=UTC)


class _Spark(Config):
    treat_nan_as_null: bool = False


def expressions() -> dict[str, ibis.Table]:
    shape = {"key_hi": "uint64", "key_lo": "uint64", "ts": "timestamp('UTC')", "token": "int32", "auth": "int32"}
    shape |= dict.fromkeys(("session_id", "kind", "event_name", "order_id", "consent", "excluded", "source"), "string")
    shape |= dict.fromkeys(("object", "item", "quantity"), "int32") | dict.fromkeys(("price", "discount"), "float64")
    events = ibis.table({**shape, "context": "map<string, string>"}, name="events")
    values = ibis.table({"item": "int32", "facet": "string", "value": "string"}, name="item_values")
    users = ibis.table({"token": "int32", "key": "string", "value": "string"}, name="users")
    rules = AffinityRules(weights={"view": 1}, facets=("f",), never={"f": ("a*",)})
    leaf = {"events": {"f": "a", "price": [1, 2], "within_days": 3}}
    tree = {
        "all": [leaf, {"affinity": {"value": "a"}}, {"attribute": {"age": {"min": 3}}}, {"visitor": {"visit": "new"}}]
    }
    segments = parse_segments({"s": {"when": tree}}, affinity_facet="f", facets=["f"])
    used = usable(events, as_of=AS_OF)
    net = net_of_returns(used)
    total = sums(net, values, rules, landmark=600)
    counted = facts(net, values, segments, as_of=AS_OF)
    spoken = ibis.table({"string": "string", "text": "string"}, name="strings")
    called = ibis.table({"object": "int32", "text": "string"}, name="objects")
    stood = standings(events)
    parts = Counts(
        events=parted(identify(events), stood),
        net=parted(net_of_returns(identify(events)), stood),
        item_values=values,
        strings=spoken,
        objects=called,
    )
    known = Known(
        facts=counted, scores=scores(total), attributes=attributes(used, users), visitors=visitors(used, as_of=AS_OF)
    )
    return {
        "left_out": left_out(events, as_of=AS_OF),
        "identified": identify(events),
        "unmatched": unmatched_returns(used),
        "top": top_scores(net, values, rules, landmark=600, top=10),
        "arithmetic": arithmetic(net, values, rules, as_of=AS_OF),
        "readiness": readiness(known.visitors, ReadinessRules()),
        "facts": counted,
        "memberships": memberships(known, segments, as_of=AS_OF),
        "standings": stood,
        "marks": marks(parts.events),
        "tallies": documents(parts, rules, segments),
    }


@pytest.mark.parametrize("dialect", ["duckdb", "pyspark"])
@pytest.mark.parametrize("name", list(expressions()))
def test_expressions_compile(monkeypatch, name, dialect):
    # What its Spark backend sets when it connects, which takes a Spark.
    monkeypatch.setattr(ibis.options, "pyspark", _Spark())
    assert "SELECT" in ibis.to_sql(expressions()[name], dialect=dialect)
