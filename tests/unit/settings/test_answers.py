"""What the settings mean to the answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from algosync.errors import ConfigError
from algosync.settings.answers import ANY_WORDS, apply_policy, recommendable, rollout, shop_answers
from algosync.settings.rules import not_heeded
from algosync.settings.shop import shop_rules
from algosync.sync.tally_rules import rules_digest

FACETS = '[facets]\nbrand = 100\ncategories = 60\n[segments]\naffinity_facet = "categories"\n'
SEGMENTS = {
    "readers": {"when": {"affinity": {"value": "Books"}}, "boost": [{"categories": "Books"}]},
    "fans": {"when": {"affinity": {"value": "Toys"}}},
}
ACTIONS = {
    "books": {"when": {"segments": ["fans"]}, "effect": {"boost": {"categories": "Books", "price": [1, 2]}}},
    "for-all": {"when": {"visit": "new"}, "effect": {"boost": {"brand": "Apple"}}},
}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "segments.json").write_text(json.dumps(SEGMENTS), encoding="utf-8")
    (tmp_path / "actions.json").write_text(json.dumps(ACTIONS), encoding="utf-8")
    return FACETS + 'file = "segments.json"\n[actions]\nfile = "actions.json"\n'


def test_boosts_belong_to_whom_they_come_from(settings, files, tmp_path):
    made = shop_answers(settings(files), tmp_path)
    assert made.indices == ("products", "produits")
    assert {name: [boost.slug for boost in boosts] for name, boosts in made.boosts.items()} == {
        "readers": ["readers"],
        "fans": [],
    }
    assert [boost.slug for boost in made.action_boosts["books"]["fans"]] == ["books"]
    assert [boost.slug for boost in made.action_boosts["for-all"][""]] == ["for-all"]
    assert made.ids is None
    assert made.ruled == frozenset()


def test_segments_with_a_boost_have_a_rule_where_rules_are_pushed(settings, files, tmp_path):
    made = shop_answers(settings(files + "[push]\nrules = true\n"), tmp_path)
    assert made.ruled == {"readers", "fans"}


def test_where_boosts_apply(settings):
    assert apply_policy(settings()).words_max == 2
    chosen = apply_policy(settings("[filters]\napply = { category = false, search = { words_max = 5 } }\n"))
    assert (chosen.category, chosen.words_max) == (False, 5)
    assert apply_policy(settings("[filters]\napply = { search = false }\n")).words_max == 0
    assert apply_policy(settings("[filters]\napply = { search = true }\n")).words_max == ANY_WORDS


def test_the_rollout_is_a_share_and_keyed_where_there_is_a_key(settings):
    assert rollout(settings()).share == 1
    keyed = rollout(settings('[rollout]\nusers = "12.5%"\n[identity]\nhash_key = "0123456789abcdef"\n'))
    assert (keyed.share, keyed.key) == (0.125, b"0123456789abcdef")


@pytest.mark.parametrize(
    ("available", "terms"),
    [
        ("in_stock:true", [('in_stock:"true"', "in_stock")]),
        ("stock:>0", [("stock > 0", None)]),
        ("status:in sale AND stock:>=1000000", [('status:"in sale"', "status"), ("stock >= 1000000", None)]),
        ("stores.stock:<2.5", [("stores.stock < 2.5", None)]),
        ("status:!=gone", []),
        ('status:a"b', []),
        ("my status:on AND stock:>0", [("stock > 0", None)]),
    ],
)
def test_availability_as_recommend_understands_it(settings, available, terms):
    text = json.dumps(available)
    assert list(recommendable(settings(f'[catalog]\ntype = "index"\navailable = {text}\n'))) == terms


def test_other_catalogs_name_attributes_that_the_index_may_not_have(settings):
    assert list(recommendable(settings('[catalog]\ntype = "files"\npath = "p.csv"\navailable = "stock:>0"\n'))) == []
    assert list(recommendable(settings())) == []


def test_curated_lists_and_consent(settings, tmp_path):
    text = '[consent]\ndefault = "not_personalized"\n[content]\nsize = 3\ncurated = { b = ["1"], a = ["2", "3"] }\n'
    made = shop_answers(settings(text), tmp_path)
    assert (made.consent, made.list_size, list(made.curated)) == ("not_personalized", 3, ["a", "b"])
    with pytest.raises(ConfigError, match="'popular' is the name of a list that algosync makes itself"):
        shop_answers(settings('[content]\ncurated = { popular = ["1"] }\n'), tmp_path)


@pytest.mark.parametrize(
    "text", ['[consent]\ndefault = "maybe"\n', "[content]\nsize = 0\n", "[filters]\ndiversity = 0.4\n"]
)
def test_wrong_settings_are_refused(settings, text):
    with pytest.raises(ConfigError):
        settings(text)


def test_what_recent_events_are_judged_by_is_what_a_run_judges_them_by(settings, tmp_path):
    collector = '[[sources]]\nname = "web"\ntype = "collector"\ncontext = { country = "context.country" }\n'
    events = '[events]\nconsent_missing = "allow"\nmax_age_days = 2\n[events.ignore]\nuser_tokens = ["staff-*"]\n'
    session = "[profiles]\nhalf_life_days = 7\nsession = { weight = 0.5, half_life_minutes = 10 }\n"
    given = settings(FACETS + collector + events + session)
    made = shop_answers(given, tmp_path).overlay
    assert made is not None
    arrivals = made.arrivals
    assert (arrivals.source, arrivals.consent_missing, arrivals.ignore_tokens) == ("web", "allow", ("staff-*",))
    assert (arrivals.context, arrivals.max_age_s, arrivals.by_row) == (
        {"country": ("context.country",)},
        172_800,
        False,
    )
    assert (made.session.weight, made.session.half_life_minutes) == (0.5, 10)
    people = shop_rules(given, tmp_path, datetime(2026, 11, 23, tzinfo=UTC)).people
    assert (made.affinity, made.readiness, made.segments) == (people.affinity, people.readiness, people.segments)
    assert made.counted_by == rules_digest(people.affinity, people.segments)


def test_the_rules_of_tallies_are_others_where_half_life_or_facts_are(settings, tmp_path):
    serve = "[serve]\n"
    rules = [
        shop_answers(settings(text), tmp_path).overlay
        for text in (FACETS + serve, FACETS + "[profiles]\nhalf_life_days = 7\n" + serve)
    ]
    assert rules[0].counted_by != rules[1].counted_by


@pytest.mark.parametrize(
    ("text", "lays_over"),
    [
        ("", False),  # nothing takes events out of the inbox
        ("[serve]\n", True),
        ('[[sources]]\nname = "web"\ntype = "collector"\n', True),
        ('[[sources]]\nname = "web"\ntype = "collector"\ncolumns = { session_id = "visit" }\n', False),
        ('[[sources]]\nname = "web"\ntype = "collector"\nvalues = { event_type = { seen = "view" } }\n', False),
        ('[[sources]]\nname = "web"\ntype = "collector"\nconstants = { consent = "for_you" }\n', False),
    ],
    ids=["no inbox", "served", "collected", "columns", "values", "constants"],
)
def test_events_are_laid_over_where_their_meaning_is_known_before_a_run(settings, tmp_path, text, lays_over):
    given = settings(FACETS + text)
    assert (shop_answers(given, tmp_path).overlay is not None) == lays_over
    assert any("real time" in line for line in not_heeded(given)) == ("collector" in text and not lays_over)
