"""Highlights and snippets of hits."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.mock.engine.highlight import Tags, highlighter
from algosync.mock.engine.snippet import Style, lengths, snippeter
from algosync.mock.engine.text.inverted import Word
from algosync.mock.engine.text.matches import Matcher
from algosync.mock.engine.text.words import split

TAGS = Tags(before="<em>", after="</em>")


def words(query):
    found = split(query)
    return [
        Word(text=word, prefix=place == len(found), typos_max=(len(word) >= 4) + (len(word) >= 8))
        for place, word in enumerate(found, 1)
    ]


def highlight(query, text):
    return highlighter(Matcher(words=words(query)), TAGS)(text)


def snippet(query, text, size, ellipsis="…"):
    return snippeter(Matcher(words=words(query)), Style(tags=TAGS, ellipsis=ellipsis), size)(text)


def first(client, **params):
    return json.loads(client.search_single_index_with_http_info("p", params).raw_data)["hits"][0]


def test_the_documented_example():
    """algolia.com/doc/guides/building-search-ui/ui-and-ux-patterns/highlighting-snippeting/js."""
    text = "Actiontec - 4-Port Ethernet Broadband Router with Wireless-N - Black"
    assert highlight("action", text) == {
        "value": "<em>Action</em>tec - 4-Port Ethernet Broadband Router with Wireless-N - Black",
        "matchLevel": "full",
        "fullyHighlighted": False,
        "matchedWords": ["action"],
    }


@pytest.mark.parametrize(
    ("query", "text", "value", "level", "fully", "matched"),
    [
        ("red shoe", "A Red shoe", "A <em>Red</em> <em>shoe</em>", "full", False, ["red", "shoe"]),
        ("red shoe", "red, red!", "<em>red</em>, <em>red</em>!", "partial", True, ["red"]),
        ("red shoe", "blue", "blue", "none", None, []),
        ("keybord", "Keyboard", "<em>Keyboard</em>", "full", True, ["keybord"]),
        ("creme", "crème brûlée", "<em>crème</em> brûlée", "full", False, ["creme"]),
        ("", "anything", "anything", "none", None, []),
        ("x", "", "", "none", None, []),
        ("red red", "red", "<em>red</em>", "full", True, ["red"]),
    ],
)
def test_highlights(query, text, value, level, fully, matched):
    expected = {"value": value, "matchLevel": level, "matchedWords": matched}
    assert highlight(query, text) == expected | ({} if fully is None else {"fullyHighlighted": fully})


@pytest.mark.parametrize(
    ("query", "size", "value"),
    [
        ("installation", 10, "started to do the third <em>installation</em> of what would become"),
        ("zzz", 10, "Our team said that we had started to do the …"),
        ("our", 4, "<em>Our</em> team said that …"),
        ("cloud", 4, "… become our new <em>cloud</em>."),
        ("started", 1, "… <em>started</em> …"),
        ("third become", 10, "… do the <em>third</em> installation of what would <em>become</em> our new …"),
        ("installation", 50, None),
        ("said become cloud", 6, "… what would <em>become</em> our new <em>cloud</em>."),
    ],
)
def test_snippets(query, size, value):
    """The shape is that of snippets the service gave: five words before the match and four after it."""
    text = "Our team said that we had started to do the third installation of what would become our new cloud."
    found = snippet(query, text, size, ellipsis="" if query == "installation" else "…")
    assert found["value"] == (value if value is not None else text.replace("installation", "<em>installation</em>"))
    assert found.keys() == {"value", "matchLevel"}


def test_a_snippet_of_what_does_not_match_is_the_beginning():
    """Given by the service for `description:10` of a product whose description goes on."""
    text = "Enjoy smart access to videos, games and apps with this Amazon Fire TV stick"
    assert snippet("zzz", text, 10) == {
        "value": "Enjoy smart access to videos, games and apps with this …",
        "matchLevel": "none",
    }


def test_a_snippet_of_a_text_that_matches_everywhere():
    """As long as a record may be: what a snippet costs must not grow with the square of it."""
    text = f"{'red shoe ' * 10_000}a blue dog hat red"
    assert snippet("red hat", text, 4)["value"] == "… blue dog <em>hat</em> <em>red</em>"


def test_lengths():
    assert lengths(["content:80", "description", "*:5", "a:b", "c:0"]) == {
        "content": 80,
        "description": 10,
        "*": 5,
        "a:b": 10,
        "c": 1,
    }


@given(
    text=st.lists(st.sampled_from(["red", "shoe", "Blue", "hat,", "-", "é"]), max_size=30).map(" ".join),
    query=st.sampled_from(["red", "shoe hat", "zzz", ""]),
    size=st.integers(1, 12),
)
@settings(max_examples=60, deadline=None)
def test_a_snippet_is_a_part_of_the_highlight(text, query, size):
    whole, part = highlight(query, text), snippet(query, text, size)
    assert whole["matchLevel"] == part["matchLevel"]
    core = part["value"].removeprefix("… ").removesuffix(" …")
    assert core in whole["value"]
    bare = re.sub("</?em>", "", core)
    assert len(split(bare)) == min(size, len(split(text)))
    if whole["matchLevel"] != "none":
        assert "<em>" in core
    assert re.sub("</?em>", "", whole["value"]) == text


RECORD = {
    "objectID": "a",
    "title": "Red shoe",
    "tags": ["red", "blue", None],
    "deep": {"text": "a red hat", "none": None, "more": [{"t": "red"}, {"t": "x", "n": 3}]},
    "price": 12,
    "ok": True,
}


def shown(value):
    if isinstance(value, dict) and "value" in value:
        return value["value"]
    if isinstance(value, dict):
        return {name: shown(inner) for name, inner in value.items()}
    return [shown(inner) for inner in value]


@pytest.fixture
def record(client):
    client.set_settings("p", {"searchableAttributes": ["title,tags", "deep"]})
    client.save_object("p", RECORD)
    return client


def test_what_is_highlighted(record):
    """algolia.com/doc/api-reference/api-parameters/attributesToHighlight."""
    everything = {
        "title": "<em>Red</em> shoe",
        "tags": ["<em>red</em>", "blue"],
        "deep": {"text": "a <em>red</em> hat", "more": [{"t": "<em>red</em>"}, {"t": "x", "n": "3"}]},
    }
    assert shown(first(record, query="red")["_highlightResult"]) == everything
    starred = first(record, query="red", attributesToHighlight=["*"], attributesToRetrieve=["price"])
    assert shown(starred["_highlightResult"]) == everything | {"price": "12"}
    nested = first(record, query="red", attributesToHighlight=["deep.text", "deep.more.t", "unknown"])
    assert shown(nested["_highlightResult"]) == {
        "deep": {"text": "a <em>red</em> hat", "more": [{"t": "<em>red</em>"}, {"t": "x"}]}
    }
    assert "_highlightResult" not in first(record, query="red", attributesToHighlight=[])
    tagged = first(record, query="red", attributesToHighlight=["title"], highlightPreTag="[", highlightPostTag="]")
    assert tagged["_highlightResult"]["title"]["value"] == "[Red] shoe"


def test_several_attributes_of_the_objects_of_an_array(client):
    """Highlights have the shape of the record, as algolia.com/doc/api-reference/api-parameters/attributesToHighlight
    tells it: what stands at variants.2.color is highlighted there, whatever else is."""
    variants = [{"color": "red", "size": "XL"}, {"size": "red L"}, {"price": 3}, None, {"color": "blue"}]
    client.set_settings("p", {"searchableAttributes": ["variants.color", "unordered(variants.size)"]})
    client.save_object("p", {"objectID": "a", "variants": variants, "nested": [[{"t": "red"}], []]})
    highlighted = shown(first(client, query="red")["_highlightResult"])
    assert highlighted == {
        "variants": [{"color": "<em>red</em>", "size": "XL"}, {"size": "<em>red</em> L"}, {}, {"color": "blue"}]
    }
    matching = first(client, query="red", restrictHighlightAndSnippetArrays=True)["_highlightResult"]
    assert shown(matching) == {"variants": highlighted["variants"][:2]}
    some = first(client, query="red", attributesToSnippet=["nested.t", "variants:1", "variants.size:2"])
    assert shown(some["_snippetResult"])["nested"] == [[{"t": "<em>red</em>"}]]
    assert shown(some["_snippetResult"])["variants"][1] == {"size": "<em>red</em> L"}


def test_names_with_dots(client):
    row = {"objectID": "a", "x.y": "red", "x": {"y": "red hat", "z": {"v": "red", "w": "red"}}}
    client.save_object("p", row)
    found = first(client, query="red", attributesToHighlight=["x.z.v", "x.y"])["_highlightResult"]
    assert shown(found) == {"x.y": "<em>red</em>", "x": {"y": "<em>red</em> hat", "z": {"v": "<em>red</em>"}}}
    whole = first(client, query="red", attributesToHighlight=["x.z.v", "x"])["_highlightResult"]
    assert shown(whole)["x"]["z"] == {"v": "<em>red</em>", "w": "<em>red</em>"}


@pytest.mark.parametrize(
    ("query", "name", "expected", "level"),
    [
        ("parkbench", "Park Bench, or bench (park)", "<em>Park</em> <em>Bench</em>, or bench (park)", "full"),
        ("old parkbench", "old park bench", "<em>old</em> <em>park</em> <em>bench</em>", "full"),
        ("nano second", "A Nanosecond", "A <em>Nanosecond</em>", "full"),
        ("nano sec", "nanosecond", "<em>nanosec</em>ond", "full"),
        ("my nano second", "my nanosecond, mine", "<em>my</em> <em>nanosecond</em>, mine", "full"),
        ("cafe", "cafe\u0301s", "<em>cafe\u0301</em>s", "full"),
        ("fin", "ﬁns", "<em>ﬁn</em>s", "full"),
    ],
)
def test_joined_and_split_words_and_accents_apart(client, query, name, expected, level):
    """algolia.com/doc/…/in-depth/splitting-and-concatenation says what matches; what matches is highlighted."""
    client.save_object("p", {"objectID": "a", "name": name})
    found = first(client, query=query)["_highlightResult"]["name"]
    assert (found["value"], found["matchLevel"], found["matchedWords"]) == (expected, level, query.split())


def test_items_of_arrays_that_do_not_match_can_be_left_out(record):
    """algolia.com/doc/api-reference/api-parameters/restrictHighlightAndSnippetArrays."""
    params = {"query": "red", "restrictHighlightAndSnippetArrays": True, "attributesToSnippet": ["tags:1"]}
    found = first(record, **params)
    assert shown(found["_highlightResult"])["tags"] == ["<em>red</em>"]
    assert shown(found["_highlightResult"])["deep"]["more"] == [{"t": "<em>red</em>"}]
    assert shown(found["_snippetResult"]) == {"tags": ["<em>red</em>"]}
    assert "tags" not in shown(first(record, **params | {"query": "hat"})["_highlightResult"])


def test_what_is_snippeted(record):
    """algolia.com/doc/api-reference/api-parameters/attributesToSnippet and snippetEllipsisText."""
    assert "_snippetResult" not in first(record, query="red")
    some = first(record, query="red", attributesToSnippet=["title:1", "deep.text:2"])
    assert shown(some["_snippetResult"]) == {"title": "<em>Red</em> …", "deep": {"text": "a <em>red</em> …"}}
    record.set_settings("p", {"attributesToSnippet": ["*:1", "deep:2"], "snippetEllipsisText": "[…]"})
    assert shown(first(record, query="shoe")["_snippetResult"]) == {
        "title": "[…] <em>shoe</em>",
        "tags": ["red", "blue"],
        "deep": {"text": "a red […]", "more": [{"t": "red"}, {"t": "x", "n": "3"}]},
        "price": "12",
    }


def test_only_whole_words_are_highlighted_where_single_words_must_be_exact(record):
    """algolia.com/doc/api-reference/api-parameters/exactOnSingleWordQuery."""
    assert shown(first(record, query="sho")["_highlightResult"])["title"] == "Red <em>sho</em>e"
    exact = first(record, query="sho", exactOnSingleWordQuery="word")
    assert shown(exact["_highlightResult"])["title"] == "Red shoe"
    two = first(record, query="red sho", exactOnSingleWordQuery="word")
    assert shown(two["_highlightResult"])["title"] == "<em>Red</em> <em>sho</em>e"
