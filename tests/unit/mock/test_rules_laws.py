"""Rules: laws that hold for any rules and any query."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.errors import AlgoliaError
from algosync.mock.algolia import MockAlgolia
from algosync.mock.keys import DEFAULT_KEYS
from algosync.mock.routes.calls import Call
from algosync.mock.routes.table import handle

LAW = settings(max_examples=50, deadline=None)
IDS = "abcdef"
NAMES = sorted(
    {"objectID", "conditions", "condition", "consequence", "params", "promote", "hide", "query", "edits", "remove"}
    | {"validity", "from", "userData", "pattern", "anchoring", "context", "filters", "position", "objectIDs", "facet"}
    | {"automaticFacetFilters", "redirect", "indexName", "tags", "enabled"}
)
WORDS = ("red", "blue", "sky", "shoe")

texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
patterns = st.one_of(texts, st.sampled_from(["{facet:color}", "{facet:color} shoe"]))
contexts = st.sampled_from(["c1", "c2"])
facet_filters = st.sampled_from(["color:red", "color:sky blue", "kind:1"])
conditions = st.fixed_dictionaries(
    {},
    optional={
        "pattern": patterns,
        "anchoring": st.sampled_from(["is", "startsWith", "endsWith", "contains"]),
        "alternatives": st.booleans(),
        "context": contexts,
        "filters": st.sampled_from(["color:red", "color:'sky blue'", "kind:1 AND color:red"]),
    },
)
params = st.fixed_dictionaries(
    {},
    optional={
        "query": st.one_of(texts, st.fixed_dictionaries({"remove": st.lists(patterns, max_size=2)})),
        "optionalFilters": st.lists(facet_filters, max_size=2),
        "facetFilters": st.lists(facet_filters, max_size=1),
        "filters": st.sampled_from(["kind:1", "NOT color:red"]),
        "hitsPerPage": st.integers(1, 5),
        "automaticFacetFilters": st.just(["color"]),
        "automaticOptionalFacetFilters": st.just([{"facet": "color", "score": 3, "disjunctive": True}]),
    },
)
consequences = st.fixed_dictionaries(
    {},
    optional={
        "params": params,
        "promote": st.lists(
            st.fixed_dictionaries({"objectID": st.sampled_from(IDS), "position": st.integers(0, 7)}),
            max_size=3,
            unique_by=lambda item: item["position"],
        ),
        "filterPromotes": st.booleans(),
        "hide": st.lists(st.fixed_dictionaries({"objectID": st.sampled_from(IDS)}), max_size=2),
        "userData": st.fixed_dictionaries({"n": st.integers(0, 9)}),
    },
)
rules = st.lists(
    st.fixed_dictionaries(
        {"objectID": st.sampled_from([f"r{n}" for n in range(9)]), "consequence": consequences},
        optional={
            "conditions": st.lists(conditions, max_size=3),
            "validity": st.sampled_from([[{"from": 0, "until": 10}], [{"from": 0, "until": 1 << 40}]]),
        },
    ),
    max_size=6,
    unique_by=lambda rule: rule["objectID"],
)
searches = st.fixed_dictionaries(
    {"query": texts, "getRankingInfo": st.just(value=True), "facets": st.just(["*"])},
    optional={
        "ruleContexts": st.lists(contexts, max_size=2),
        "filters": st.sampled_from(["color:red", "kind:1 AND color:'sky blue'"]),
        "facetFilters": st.lists(facet_filters, max_size=2),
        "optionalFilters": st.lists(facet_filters, max_size=2),
        "distinct": st.just(value=True),
    },
)
merging = st.sampled_from(["first", "merge"])


class Shop:
    """An application with a few records, spoken to without a server."""

    def __init__(self, merge="first"):
        self.algolia = MockAlgolia(rules_merge=merge)
        self.call("PUT", "settings", {"attributesForFaceting": ["color", "kind"], "attributeForDistinct": "color"})
        colors = ("red", "blue", "sky blue")
        for number, object_id in enumerate(IDS):
            record = {"name": WORDS[number % 4] + " shoe", "color": colors[number % 3], "kind": str(number % 2)}
            self.call("PUT", object_id, record)

    def call(self, method, path, body, **query):
        headers = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": DEFAULT_KEYS[0].value}
        path = f"/1/indexes/p/{path}"
        call = Call(method=method, path=path, query=query, headers=headers, body=json.dumps(body).encode())
        answer = handle(self.algolia, call)
        content = json.loads(answer.body)
        if answer.status >= 400:
            raise AlgoliaError(content["message"], status=answer.status)
        return content

    def keep(self, given):
        """Those of the rules that are accepted."""
        for rule in given:
            with suppress(AlgoliaError):
                self.call("PUT", f"rules/{rule['objectID']}", rule)
        return self

    @property
    def rules(self):
        return self.algolia.content()["p"]["rules"]

    def search(self, asked):
        answer = self.call("POST", "query", asked)
        # `exhaustive` tells whether the index has rules, whatever they do.
        told = {name for name in answer if name == "exhaustive" or "Tim" in name}
        return {name: value for name, value in answer.items() if name not in told}


@LAW
@given(rules=rules, asked=searches, merge=merging, order=st.randoms(use_true_random=False))
def test_the_order_in_which_rules_were_saved_never_matters(rules, asked, merge, order):
    shuffled = list(rules)
    order.shuffle(shuffled)
    assert Shop(merge).keep(rules).search(asked) == Shop(merge).keep(shuffled).search(asked)


@LAW
@given(rules=rules, asked=searches, merge=merging)
def test_rules_that_are_not_applied_change_nothing(rules, asked, merge):
    whole = Shop(merge).keep(rules)
    answer = whole.search(asked)
    applied = {each["objectID"] for each in answer.get("appliedRules", ())}
    assert Shop(merge).keep(rule for rule in rules if rule["objectID"] in applied).search(asked) == answer
    if not applied:
        assert whole.search(asked | {"enableRules": False}) | {"params": ""} == answer | {"params": ""}


@LAW
@given(rules=rules, asked=searches, merge=merging, off=st.sets(st.sampled_from([f"r{n}" for n in range(9)])))
def test_a_disabled_rule_is_as_good_as_none(rules, asked, merge, off):
    disabled = [rule | ({"enabled": False} if rule["objectID"] in off else {}) for rule in rules]
    absent = [rule for rule in rules if rule["objectID"] not in off]
    assert Shop(merge).keep(disabled).search(asked) == Shop(merge).keep(absent).search(asked)


@LAW
@given(rules=rules, asked=searches)
def test_saving_twice_is_saving_once(rules, asked):
    once, twice = Shop().keep(rules), Shop().keep(rules).keep(rules)
    assert twice.rules == once.rules
    twice.call("POST", "rules/batch", list(twice.rules.values()))
    assert twice.search(asked) == once.search(asked)


@LAW
@given(before=rules, batch=rules, place=st.integers(0, 6))
def test_a_batch_with_a_wrong_rule_changes_nothing(before, batch, place):
    shop = Shop().keep(before)
    kept = shop.rules
    with pytest.raises(AlgoliaError, match="Invalid rule"):
        shop.call(
            "POST", "rules/batch", [*batch[:place], {"objectID": "r0"}, *batch[place:]], clearexistingrules="true"
        )
    assert shop.rules == kept


@LAW
@given(rules=rules, asked=searches, merge=merging)
def test_what_promoted_and_hidden_records_do_to_an_answer(rules, asked, merge):
    shop = Shop(merge).keep(rules)
    answer = shop.search(asked | {"hitsPerPage": 20})
    shown = [hit["objectID"] for hit in answer["hits"]]
    applied = [shop.rules[each["objectID"]]["consequence"] for each in answer.get("appliedRules", ())]
    hidden = {item["objectID"] for each in applied for item in each.get("hide", ())}
    promotable = {item["objectID"] for each in applied for item in each.get("promote", ())} - hidden
    assert len(shown) == len(set(shown))
    assert hidden.isdisjoint(shown)
    assert {hit["objectID"] for hit in answer["hits"] if "promoted" in hit["_rankingInfo"]} <= promotable
    if answer["hitsPerPage"] == 20:
        assert answer["nbHits"] == len(shown)


@settings(max_examples=60, deadline=None)
@given(
    body=st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(NAMES),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=12,
    )
)
def test_no_body_breaks_the_keeping_of_rules(body):
    shop = Shop()
    for path, sent in (("rules/batch", [body]), ("rules/batch", body), ("rules/search", body)):
        with suppress(AlgoliaError):
            shop.call("POST", path, sent)
    assert "hits" in shop.search({"query": "red shoe"})
