"""The plan as people and programs see it."""

from __future__ import annotations

import io

import orjson
import pytest
from rich.console import Console

from algosync.sync.plan import Prices, There, plan
from algosync.sync.show import document, render


@pytest.fixture
def made(make):
    desired = [make("related", f"p{n}", f"[bold]item[/bold] {n}") for n in range(9)]
    desired += [make("segments", "s"), make("rules", "algosync-1"), make("rules", "merchandiser[x]")]
    there = There(
        observed={"products": {f"p{n}": None for n in range(8)} | {"p0": desired[0].hash, "p7": "old", "gone": "v"}},
        ledger={("products", "related"): {"p6": "x"}},
    )
    return plan(desired, there, prices=Prices(per_1000_operations=100), families=("related", "segments", "rules"))


def shown(made, **options) -> str:
    console = Console(file=io.StringIO(), width=200)
    render(made, console, **options)
    return console.file.getvalue()


def test_people_see_totals_reasons_samples_and_what_is_left_out(made):
    text = shown(made)

    assert "10 operations; 1 saved" in text
    assert "At your prices: 1.00 for the operations" in text
    for reason in ("new", "changed", "lost: the shop's feed", "nothing to say about this product any more"):
        assert reason in text
    assert "[bold]item[/bold]" in text
    assert "profiles is switched off" in text
    assert "1 products have something to say and are not in the index 'products'" in text
    assert "left out: rules 'merchandiser[x]'" in text


def test_samples_show_every_reason_first_and_no_more_than_asked_for(made):
    samples = document(made, samples=4)["samples"]["related"]

    assert len(samples) == 4
    assert len({sample["reason"] for sample in samples}) == 4
    assert {"before", "after", "says", "objectID"} <= set(samples[0])
    assert document(made, samples=0)["samples"]["related"] == []


def test_programs_get_one_json_document(made):
    read = orjson.loads(orjson.dumps(document(made)))

    assert (read["operations"], read["off"], read["absent"]) == (10, ["profiles"], {"products": 1})
    assert read["refused_payloads"][0]["objectID"] == "merchandiser[x]"
    assert read["families"]["related"]["delete"] == 1


def test_nothing_to_do_is_said(make):
    payload = make("segments", "s")
    done = plan([payload], There(observed={}, ledger={("payloads", "segments"): {"s": payload.hash}}))
    assert "Nothing to do: 1 payloads are there already" in shown(done)


def test_a_long_list_of_refusals_is_cut_and_counted(make):
    done = plan([make("rules", f"other-{n:02d}") for n in range(30)], There(observed={}))
    assert "… and 10 more left out" in shown(done)


def test_one_objectid_in_two_indices_is_two_samples(make):
    desired = [make("related", "p0", index=index) for index in ("de", "fr")]
    done = plan(desired, There(observed={"de": {"p0": None}, "fr": {"p0": None}}))

    assert [sample["index"] for sample in document(done)["samples"]["related"]] == ["de", "fr"]
