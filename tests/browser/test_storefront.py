"""InstantSearch.js in a real browser: what a visitor of a shop sees, from a page of another origin than the mock's."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections import Counter
from typing import Any
from urllib.parse import urlencode

import pytest

from algosync.mock.server import MockAlgolia

pytestmark = pytest.mark.browser
PER_PAGE = 8

Catalog = dict[str, dict[str, Any]]


def _ordered(found: dict[str, dict[str, Any]]) -> list[str]:
    return sorted(found, key=lambda key: -found[key]["popularity"])


def _which(catalog: Catalog, **wanted: Any) -> Catalog:
    return {
        key: product
        for key, product in catalog.items()
        if all(product[name] == value for name, value in wanted.items())
    }


def _with_word(catalog: Catalog, start: str) -> Catalog:
    """Products with a word that begins so in name or brand."""
    return {
        key: product
        for key, product in catalog.items()
        if any(word.startswith(start) for word in f"{product['name']} {product['brand']}".lower().split())
    }


def _is_png(path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000


def test_search_as_you_type(visit, catalog: Catalog, tmp_path) -> None:
    picture = tmp_path / "typing.png"
    saw = visit("storefront.typing", word="backpack", misspelt="bakcpack", picture=str(picture))
    steps = saw["steps"]
    assert [step["typed"] for step in steps] == ["backpack"[:length] for length in range(9)]
    assert steps[0]["ids"] == _ordered(catalog)[:PER_PAGE]
    for step in steps[1:]:
        found = _with_word(catalog, step["typed"])
        assert step["stats"].startswith(f"{len(found)} results")
        assert set(step["ids"]) <= set(found)
        assert {text.lower() for text in step["marked"]} <= {step["typed"]}
    assert len({step["stats"].split()[0] for step in steps}) > 2, "keystrokes narrow the results down"
    assert steps[-1]["ids"] == _ordered(_with_word(catalog, "backpack"))[:PER_PAGE]
    assert saw["misspelt"]["ids"] == steps[-1]["ids"]
    assert _is_png(picture)


def test_refinement_list_counts_and_refines(visit, catalog: Catalog) -> None:
    saw = visit("storefront.refine", brand="Kestrel", other="Pomona", least=60)
    brands = Counter(product["brand"] for product in catalog.values())
    assert saw["start"]["brands"] == brands
    kestrel = _which(catalog, brand="Kestrel")
    assert saw["one"]["ids"] == _ordered(kestrel)[:PER_PAGE]
    assert saw["one"]["brands"] == brands, "the counts of a disjunctive facet do not heed its own refinement"
    both = kestrel | _which(catalog, brand="Pomona")
    assert saw["two"]["ids"] == _ordered(both)[:PER_PAGE]
    stocked = _which(both, in_stock=True)
    assert saw["stocked"]["ids"] == _ordered(stocked)[:PER_PAGE]
    dear = {key: product for key, product in stocked.items() if product["price"] >= 60}
    assert dear
    assert saw["dear"]["ids"] == _ordered(dear)[:PER_PAGE]
    assert saw["cleared"]["ids"] == saw["start"]["ids"]


def test_search_in_facet_values(visit, catalog: Catalog) -> None:
    brands = Counter(product["brand"] for product in catalog.values())
    assert visit("storefront.values", part="ke")["values"] == {"Kestrel": brands["Kestrel"]}


def test_hierarchical_menu(visit, catalog: Catalog) -> None:
    saw = visit("storefront.menu", top="Lighting", sub="Desk Lamps")
    tops = Counter(product["categories"]["lvl0"] for product in catalog.values())
    assert saw["start"] == tops
    assert saw["opened"]["menu"] == tops | {"Desk Lamps": 10, "Floor Lamps": 10}
    lighting = {key: product for key, product in catalog.items() if product["categories"]["lvl0"] == "Lighting"}
    assert saw["opened"]["ids"] == _ordered(lighting)[:PER_PAGE]
    assert saw["chosen"]["ids"] == _ordered(_with_word(catalog, "desk"))[:PER_PAGE]


def test_pagination(visit, catalog: Catalog, tmp_path) -> None:
    picture = tmp_path / "pages.png"
    saw = visit("storefront.pages", picture=str(picture))
    order = _ordered(catalog)
    assert saw["first"]["ids"] == order[:PER_PAGE]
    assert saw["second"]["ids"] == order[PER_PAGE : 2 * PER_PAGE]
    assert saw["last"]["ids"] == order[7 * PER_PAGE :]
    assert saw["last"]["current"] == ["8"]
    assert _is_png(picture)


def test_optional_filters_reorder_hits(visit, catalog: Catalog, tmp_path) -> None:
    picture = tmp_path / "boosts.png"
    saw = visit("storefront.visitors", names=["Kestrel fan", "not Halden"], picture=str(picture))

    def liked(key: str) -> tuple[int, int]:
        product = catalog[key]
        outdoor = 2 * (product["categories"]["lvl0"] == "Outdoor")
        return -(3 * (product["brand"] == "Kestrel") + max(outdoor, product["in_stock"])), -product["popularity"]

    order = _ordered(catalog)
    assert saw["start"]["ids"] == order[:PER_PAGE]
    assert saw["Kestrel fan"]["ids"] == sorted(catalog, key=liked)[:PER_PAGE]
    assert saw["Kestrel fan"]["ids"] != saw["start"]["ids"]
    assert saw["Kestrel fan"]["stats"].split(" found")[0] == saw["start"]["stats"].split(" found")[0]
    spared = sorted(catalog, key=lambda key: (catalog[key]["brand"] == "Halden", -catalog[key]["popularity"]))
    assert saw["not Halden"]["ids"] == spared[:PER_PAGE]
    assert saw["again"]["ids"] == saw["start"]["ids"]


def test_rule_contexts_reorder_hits(visit, catalog: Catalog) -> None:
    saw = visit("storefront.visitors", names=["camper"])
    tents = set(_with_word(catalog, "tent"))
    order = sorted(catalog, key=lambda key: (key != "p-60", key not in tents, -catalog[key]["popularity"]))
    assert saw["camper"]["ids"] == order[:PER_PAGE]
    assert saw["camper"]["notice"] == ["Ready for the season"]
    assert saw["again"]["ids"] == saw["start"]["ids"]


def test_recommend_widgets(visit, algolia: MockAlgolia, catalog: Catalog, tmp_path) -> None:
    picture = tmp_path / "product.png"
    saw = visit("storefront.product", objectID="p-01", user="visitor-3", picture=str(picture))
    held = catalog["p-01"]["algosync"]
    assert saw["related"] == [key for key in held["related"] if catalog[key]["in_stock"]][:4]
    assert saw["together"] == held["bought_together"][:3]
    assert saw["similar"] == held["similar"][:3]
    best = sorted(
        catalog, key=lambda key: (-catalog[key]["algosync"]["trending"], -catalog[key]["algosync"]["popularity"])
    )
    assert saw["trending"] == best[:3]
    [click] = [event for event in algolia.events.of_user("visitor-3") if event.name == "Product Clicked"]
    assert click.object_ids == (saw["related"][0],)
    assert _is_png(picture)


def test_full_client_in_a_page(visit, algolia: MockAlgolia) -> None:
    saw = visit("backoffice.writes", expected_trouble=("404",))
    assert saw["hits"] == ["n/1"]
    assert saw["refused"] == {"status": 404, "message": "Index unknown does not exist"}
    assert algolia.content()["notes"]["records"] == {}
    assert any(request.method == "PUT" for request in algolia.requests)


def test_ignored_parameters_are_told_to_pages_of_another_origin(visit) -> None:
    saw = visit("backoffice.warned")
    assert "enablePersonalization" in saw["warning"]
    assert saw["hits"] == 10


def test_a_failed_search_leaves_the_page_usable(visit, algolia: MockAlgolia, catalog: Catalog) -> None:
    algolia.faults.add(on="search", nth=2, fault="500")
    saw = visit("storefront.recovered", expected_trouble=("500", "Unreachable hosts"), words=["tent", "kettle"])
    assert saw["kept"] == saw["start"]
    assert len(saw["errors"]) == 1
    assert saw["next"]["ids"] == _ordered(_with_word(catalog, "kettle"))[:PER_PAGE]


def test_secured_key_in_a_page(visit, catalog: Catalog) -> None:
    key = _secured_key("mock-storefront-wide", {"filters": "in_stock:true", "userToken": "visitor-9"})
    saw = visit("storefront.signedIn", key=key, user="visitor-9", narrower="Oakline")
    stocked = _which(catalog, in_stock=True)
    assert saw["start"]["ids"] == _ordered(stocked)[:PER_PAGE]
    assert saw["brands"] == Counter(product["brand"] for product in stocked.values())
    assert saw["refined"]["ids"] == _ordered(_which(stocked, brand="Oakline"))[:PER_PAGE]


def _secured_key(parent: str, restrictions: dict[str, str]) -> str:
    query = urlencode(restrictions)
    signed = hmac.new(parent.encode(), query.encode(), "sha256").hexdigest()
    return b64encode((signed + query).encode()).decode()
