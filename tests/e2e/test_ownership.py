"""Whatever is not algosync's stays byte for byte, whatever it is called; and all that is algosync's can be removed."""

from __future__ import annotations

from copy import deepcopy

import orjson
import pytest

from algosync.payloads.ours import is_our_rule, record_family

pytestmark = pytest.mark.e2e

FOREIGN_ATTRIBUTES = {
    "algosync_x": {"v": "000000000000", "related": ["book-1"]},
    "Algosync": [1, {"deep": [None, True, 1.5]}],
    "algosync.v": "with a dot",
    "_tags": ["algosync", "sale"],
    "_geoloc": {"lat": 48.1, "lng": 11.5},
    "description": "Zażółć gęślą jaźń\u2028and on",
}
FOREIGN_RULES = [
    {"objectID": name, "conditions": [{"pattern": "novel", "anchoring": "contains"}], "consequence": consequence}
    for name, consequence in (
        ("algosync", {"userData": {"banner": "spring"}}),
        ("algosyncer-1", {"params": {"optionalFilters": ["brand:Lumen<score=2>"]}}),
        ("ALGOSYNC-20-segment2", {"promote": [{"objectID": "lamp-1", "position": 0}]}),
        ("shop-algosync-20-segment2", {"hide": [{"objectID": "book-8"}]}),
        ("algosync-20-somebody", {"userData": {"named": "like ours, and of another shape"}}),
    )
]
FOREIGN_RECORDS = [
    {"objectID": "segment-vip", "optionalFilters": [], "ruleContext": "vip"},
    {"objectID": "A" * 43, "optionalFilters": [], "visitor": "of another tool"},
    {"objectID": "notes", "by": "somebody", "algosync": {"v": "000000000000"}},
]
SETTINGS = {
    "searchableAttributes": ["name", "description"],
    "attributesForFaceting": ["brand", "searchable(categories)", "filterOnly(algosync_x.v)", "afterDistinct(Algosync)"],
    "ranking": ["typo", "geo", "words", "filters", "proximity", "attribute", "exact", "custom"],
    "customRanking": ["desc(price)"],
    "replicas": ["products_by_price"],
    "userData": {"algosync": "ours to keep"},
}


def batch(shop, index, *requests):
    with shop.client("mock-admin") as client:
        client.wait(index, client.batch(index, orjson.dumps({"requests": requests}), len(requests)))


def put(shop, index, records):
    batch(shop, index, *({"action": "updateObject", "body": record} for record in records))


def edit(object_id, **parts):
    return {"action": "partialUpdateObjectNoCreate", "body": {"objectID": object_id, **parts}}


def only_theirs(content):
    """What there is without what is algosync's."""
    left = deepcopy(content)
    for name, index in left.items():
        for object_id, record in list(index["records"].items()):
            if name == "algosync_payloads" and record_family(record) is not None:
                del index["records"][object_id]
            elif name == "products":
                record.pop("algosync", None)
        index["rules"] = {key: rule for key, rule in index["rules"].items() if not is_our_rule(rule)}
        facets = index["settings"].get("attributesForFaceting", [])
        if facets:
            index["settings"]["attributesForFaceting"] = [f for f in facets if not f.startswith("filterOnly(algosync.")]
    return left


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request, small):
    """The small shop, nothing synced yet, its Algolia full of other people's things."""
    if request.param == "postgresql":
        small.configure(state={"url": request.getfixturevalue("postgresql_url")})
    small.configure(algolia={"forget_api_key": "mock-admin"})
    products = [{**record, **FOREIGN_ATTRIBUTES} for record in small.records().values()]
    small.feed(products, settings=SETTINGS)
    put(small, "algosync_payloads", FOREIGN_RECORDS)
    put(small, "products_by_price", [{"objectID": "1", "algosync": {"v": "of a replica"}}])
    put(small, "algosync_other", FOREIGN_RECORDS)
    with small.client("mock-admin") as client:
        for index in ("products", "algosync_payloads", "algosync_other"):
            client.wait(index, client.save_rules(index, orjson.dumps(FOREIGN_RULES), len(FOREIGN_RULES)))
        client.wait("algosync_payloads", client.set_settings("algosync_payloads", {"userData": "theirs"}))
    return small


def test_other_peoples_things_stay_byte_for_byte(shop):
    theirs = shop.content()
    assert only_theirs(theirs) == theirs

    def unharmed():
        return only_theirs(shop.content()) == theirs

    shop.setup()
    assert unharmed()

    assert shop.sync()["pushed"]["operations"] == 27
    assert unharmed()
    assert shop.content() != theirs

    event = {"what": "view", "at": "2026-11-19T10:00:00Z"}
    shop.events([{**event, "who": f"reader-{n}", "product": "phone-1"} for n in (1, 2)])
    shop.sync()
    assert unharmed()

    batch(shop, "products", edit("book-1", algosync={"v": "1", "similar": []}), edit("book-2", algosync=None))
    batch(shop, "algosync_payloads", edit("segment-phones", ruleContext="edited"))
    found = shop.runtime().verify(repair=True, confirm=lambda found: not found.intruders).document()
    assert (found["found"]["foreign"], found["repaired"]) == (
        4,
        False,
    )  # a Rule named like ours would go: not agreed to
    assert not unharmed()  # a record of ours has no shape of ours now
    with shop.client("mock-admin") as client:
        client.wait("products", client.delete_rule("products", "algosync-20-somebody"))
    del theirs["products"]["rules"]["algosync-20-somebody"]
    assert shop.runtime().verify(repair=True, confirm=lambda _: True).left == 0
    assert unharmed()

    profiles = len(shop.records("algosync_payloads"))
    shop.runtime().forget("reader-1", confirm=lambda _: True)
    assert len(shop.records("algosync_payloads")) == profiles - 1
    assert unharmed()

    shop.segments({})
    shop.configure(actions=None)
    shop.sync()
    assert unharmed()


def test_all_that_is_ours_is_removed_and_nothing_else(shop):
    theirs = shop.content()
    shop.setup()
    shop.sync()
    synced = shop.content()
    with shop.client("mock-admin") as client:  # somebody has edited what is ours: it is still ours
        rule = client.get_rule("products", "algosync-5-phones")
        client.wait("products", client.save_rules("products", orjson.dumps([{**rule, "tags": []}]), 1))
    edited = shop.content()

    shown = []
    refused = shop.runtime().remove(confirm=shown.append)
    assert (refused.confirmed, shop.content()) == (False, edited)
    assert shown[0].document()["plan"]["families"]["profiles"]["delete"] == 5

    done = shop.runtime().remove(confirm=lambda _: True)
    assert (done.left, done.declared, len(done.plan.operations)) == (0, True, 27)
    assert set(done.foreign) == {
        *(("algosync_payloads", record["objectID"]) for record in FOREIGN_RECORDS),
        ("products", "algosync-20-somebody"),
    }
    there = shop.content()
    for record in there["products"]["records"].values():
        assert record.pop("algosync") is None  # no update takes an attribute away: it goes when the feed writes again
    assert there == theirs

    assert shop.sync()["pushed"]["operations"] == 0  # paused
    assert not shop.runtime().remove(confirm=lambda _: True).is_needed
    assert shop.runtime().status()["ledger"] == {}
    shop.runtime().resume()
    shop.setup()
    shop.sync()
    assert shop.content() == synced


def test_what_was_left_elsewhere_by_earlier_settings_is_removed_too(synced):
    synced.configure(algolia={"indices": [{"name": "others"}], "payload_index": "elsewhere"}, push={"profiles": False})
    synced.feed([{"objectID": "1", "name": "Another shop's"}], "others")

    done = synced.runtime().remove(confirm=lambda _: True)

    assert (done.left, len(done.plan.operations)) == (0, 27)
    assert not any(record.get("algosync") for record in synced.records().values())
    assert synced.content()["products"]["rules"] == {}
    assert synced.records("algosync_payloads") == {}


def test_a_removal_that_breaks_off_is_gone_on_with(synced):
    synced.configure(push={"operations_per_hour": 27 + 20})  # of which the first sync has spent 27

    first = synced.runtime().remove(confirm=lambda _: True)
    assert (first.left, first.declared) == (7, False)
    assert "filterOnly(algosync.price_band)" in synced.content()["products"]["settings"]["attributesForFaceting"]

    synced.configure(push={"operations_per_hour": 1})
    second = synced.call("remove", "--json", "--yes")
    assert second.returncode == 1
    assert orjson.loads(second.stdout)["left"] >= 6

    synced.configure(push={"operations_per_hour": None})
    third = synced.call("remove", "--yes")
    assert third.returncode == 0
    assert "operations; 0 are left." in third.stdout
    assert synced.content()["products"]["settings"]["attributesForFaceting"] == ["brand", "categories"]
    assert "Nothing of algosync's is there." in synced.call("remove", "--yes").stdout


def test_nothing_is_removed_where_nobody_can_be_asked(synced):
    before = synced.content()

    done = synced.call("remove")

    assert done.returncode == 0
    assert "run with --yes" in done.stderr
    assert "27 operations" in done.stderr
    assert "filterOnly(algosync.price_band) goes" in done.stderr
    assert "Nothing was removed." in done.stdout
    assert synced.content() == before


def test_what_the_shop_declares_while_somebody_is_asked_stays(synced):
    def declared(name):
        def meanwhile(_):
            with synced.client("mock-admin") as client:
                entries = [*client.get_settings("products")["attributesForFaceting"], name]
                client.wait("products", client.set_settings("products", {"attributesForFaceting": entries}))
            return True

        return meanwhile

    assert synced.runtime().remove(confirm=declared("color")).declared
    there = synced.content()["products"]["settings"]["attributesForFaceting"]
    assert there == ["brand", "categories", "color"]
    assert synced.runtime().setup(confirm=declared("size"))["applied"]
    assert set(synced.content()["products"]["settings"]["attributesForFaceting"]) == {
        *(*there, "size"),
        "filterOnly(algosync.price_band)",
        "filterOnly(algosync.boosts)",
    }
