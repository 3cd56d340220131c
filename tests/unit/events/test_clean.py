from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algosync.errors import RejectedShareError
from algosync.events.clean import check_share, clean, newest
from algosync.events.rules import CleanRules
from algosync.events.schema import CLEAN

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
RULES = CleanRules(source="shop", now=NOW, as_of=NOW, consent_missing="allow")
VIEW = {"timestamp": "2026-05-01T10:00:00Z", "user_token": "u1", "event_type": "view", "object_id": "p1"}


def rules(**changed) -> CleanRules:
    return CleanRules(**{"source": "shop", "now": NOW, "as_of": NOW, "consent_missing": "allow", **changed})


def one(con, batch, given=RULES, types=None, **changed):
    """Judge one row; the accepted event as a dict, or the reason as text."""
    cleaned = clean(con, batch([{**VIEW, **changed}], types=types), given)
    assert cleaned.read == 1
    assert cleaned.accepted.schema == CLEAN
    if cleaned.rejected.num_rows:
        [row] = cleaned.rejected.to_pylist()
        return f"{row['field']}: {row['reason']}"
    [event] = cleaned.accepted.to_pylist()
    return event


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-05-01T10:00:00Z", "2026-05-01T10:00:00"),
        ("2026-05-01t10:00:00z", "2026-05-01T10:00:00"),
        ("2026-05-01T10:00:00.123456Z", "2026-05-01T10:00:00.123456"),
        ("2026-05-01T10:00:00+02:00", "2026-05-01T08:00:00"),
        ("2026-05-01 10:00:00+0200", "2026-05-01T08:00:00"),
        ("2026-05-01 10:00:00 +0200", "2026-05-01T08:00:00"),
        ("2026-05-01T10:00Z", "2026-05-01T10:00:00"),
        ("2026-05-01 10:00:00-05", "2026-05-01T15:00:00"),
        ("2026-05-01 10:00:00 UTC", "2026-05-01T10:00:00"),
        ("2026-05-01 10:00:00 Europe/Berlin", "2026-05-01T08:00:00"),
        ("1777629600", "2026-05-01T10:00:00"),
        ("1777629600.5", "2026-05-01T10:00:00.500000"),
        ("1777629600123", "2026-05-01T10:00:00.123000"),
        ("1777629600123456", "2026-05-01T10:00:00.123456"),
    ],
)
def test_timestamps_as_text(con, batch, written, meant):
    assert one(con, batch, timestamp=written)["ts"] == datetime.fromisoformat(meant).replace(tzinfo=UTC)


def test_forms_mix_within_a_column(con, batch):
    forms = ["2026-05-01T10:00:00Z", "1777629600", "1777629600000", "2026-05-01 12:00:00+02:00", "2026-05-01 12:00:00"]
    cleaned = clean(con, batch([{**VIEW, "timestamp": form} for form in forms]), rules(timezone="Europe/Berlin"))
    assert set(cleaned.accepted["ts"].to_pylist()) == {datetime(2026, 5, 1, 10, tzinfo=UTC)}
    assert cleaned.accepted.num_rows == 5


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1777629600, pa.int64()),
        (1777629600000, pa.int64()),
        (1777629600.0, pa.float64()),
        (datetime(2026, 5, 1, 10, tzinfo=UTC), pa.timestamp("ns", "UTC")),
        (datetime(2026, 5, 1, 10, tzinfo=UTC), pa.timestamp("ms", "America/New_York")),
    ],
)
def test_timestamps_of_other_types(con, batch, value, kind):
    assert one(con, batch, types={"timestamp": kind}, timestamp=value)["ts"] == datetime(2026, 5, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.string()])
def test_naive_timestamps_need_the_sources_timezone(con, batch, kind):
    at = datetime(2026, 5, 1, 10) if kind != pa.string() else "2026-05-01 10:00:00"  # noqa: DTZ001
    assert "no timezone" in one(con, batch, types={"timestamp": kind}, timestamp=at)
    berlin = one(con, batch, rules(timezone="Europe/Berlin"), {"timestamp": kind}, timestamp=at)
    assert berlin["ts"] == datetime(2026, 5, 1, 8, tzinfo=UTC)
    assert one(con, batch, rules(timezone="UTC"), {"timestamp": kind}, timestamp=at)["ts"].hour == 10


@pytest.mark.parametrize(
    ("timestamp", "reason"),
    [
        (None, "is missing"),
        ("yesterday", "cannot be read"),
        ("infinity", "cannot be read"),
        ("nan", "cannot be read"),
        ("", "cannot be read"),
        ("2026-13-01T00:00:00Z", "cannot be read"),
        ("2026-06-01T13:00:01Z", "in the future"),
        ("2823-01-01T00:00:00Z", "in the future"),
        ("2024-05-31T00:00:00Z", "older"),
        ("0", "older"),
    ],
)
def test_timestamps_that_cannot_be_used(con, batch, timestamp, reason):
    found = one(con, batch, timestamp=timestamp)
    assert found.startswith("timestamp: ")
    assert reason in found


def test_the_edges_of_the_window_are_inside(con, batch):
    for at in (NOW + timedelta(hours=1), NOW - timedelta(days=730)):
        assert one(con, batch, timestamp=at.isoformat())["ts"] == at


@pytest.mark.parametrize("field", ["user_token", "authenticated_user_token"])
def test_tokens_follow_algolias_alphabet(con, batch, field):
    assert one(con, batch, **{field: "aZ0_=/+-" * 16})[field] == "aZ0_=/+-" * 16
    assert one(con, batch, **{field: "a" * 129}) == f"{field}: {field} is longer than 128 characters"
    for token in ("a b", "jané", "a@b.c", "a\n"):
        assert "characters other than" in one(con, batch, **{field: token})


def test_a_missing_user_token_is_a_reason_and_a_missing_login_none(con, batch):
    assert one(con, batch, user_token="") == one(con, batch, user_token=None) == "user_token: user_token is empty"
    assert one(con, batch, authenticated_user_token="")["authenticated_user_token"] is None


@pytest.mark.parametrize(
    ("kind", "subtype", "meant"),
    [
        ("view", None, "view"),
        ("click", "", "click"),
        ("conversion", None, "conversion"),
        ("conversion", "addToCart", "add_to_cart"),
        ("conversion", "purchase", "purchase"),
        ("Purchase", None, "purchase"),
        ("add_to_cart", None, "add_to_cart"),
        ("addToCart", "addToCart", "add_to_cart"),
        ("instantsearch", None, "event_type: event_type is unknown"),
        (None, None, "event_type: event_type is missing"),
        ("view", "purchase", "event_subtype: event_subtype without"),
        ("conversion", "refund", "event_subtype: event_subtype is unknown"),
    ],
)
def test_kinds(con, batch, kind, subtype, meant):
    found = one(con, batch, event_type=kind, event_subtype=subtype)
    assert found.startswith(meant) if isinstance(found, str) else found["kind"] == meant


@pytest.mark.parametrize("name", ["login", "logout", "pageview"])
def test_moments_of_a_session_are_views_of_no_product(con, batch, name):
    found = one(con, batch, event_type=name, object_id=None, event_name="whatever")
    assert (found["kind"], found["event_name"], found["object_id"]) == ("view", name, None)
    assert "names a product" in one(con, batch, event_type=name)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("price", "12,50", "is not a number"),
        ("price", "nan", "NaN"),
        ("price", "inf", "infinite"),
        ("price", "-0.01", "negative"),
        ("discount", "ten", "is not a number"),
        ("quantity", "1.5", "whole number"),
        ("quantity", "9999999999", "whole number"),
        ("quantity", "-1", "only a purchase"),
        ("position", "0", "positive"),
        ("object_id", "", "is empty"),
        ("object_id", "a\0b", "NUL"),
        ("object_id", "é" * 601, "longer than 600 characters"),
        ("currency", "EURO", "three letters"),
        ("consent", "perhaps", "allowed are for_you"),
        ("facet_filters", ["brand:Apple"], "exclude each other"),
    ],
)
def test_fields_that_cannot_be_used(con, batch, field, value, reason):
    found = one(con, batch, **{field: value})
    assert found.startswith(f"{field}: ")
    assert reason in found


def test_an_id_may_be_long(con, batch):
    assert one(con, batch, object_id="é" * 600)["object_id"] == "é" * 600


def test_numbers_come_as_text_or_numbers(con, batch):
    text = one(con, batch, price="12.50", quantity="2", discount="1e0", position="3", currency="eur")
    types = {"price": pa.float64(), "quantity": pa.int64(), "discount": pa.int32(), "position": pa.float32()}
    typed = one(con, batch, types=types, price=12.5, quantity=2, discount=1, position=3.0, currency="EUR")
    assert text == typed
    assert (text["price"], text["quantity"], text["discount"], text["currency"]) == (12.5, 2, 1.0, "EUR")
    assert "NaN" in one(con, batch, types={"price": pa.float64()}, price=math.nan)


def test_a_return_is_a_purchase_of_less_than_nothing(con, batch):
    assert one(con, batch, event_type="purchase", quantity="-2")["quantity"] == -2
    assert "zero" in one(con, batch, event_type="purchase", quantity="0")


def test_filter_events_carry_sorted_facet_values(con, batch):
    found = one(con, batch, object_id=None, facet_filters=["brand:Apple", "a:b:c", "brand:Apple"])
    assert found["facet_filters"] == [{"facet": "a", "value": "b:c"}, {"facet": "brand", "value": "Apple"}]
    assert one(con, batch, facet_filters=[])["object_id"] == "p1"
    for ill in (["brand"], [":Apple"], ["brand:"], [None], ["brand:Apple", "price>10"]):
        assert "form facet:value" in one(con, batch, object_id=None, facet_filters=ill)


@pytest.mark.parametrize(
    ("consent", "missing", "kept", "excluded"),
    [
        ("for_you", "deny", "for_you", None),
        ("TRUE", "deny", "for_you", None),
        ("granted", "deny", "for_you", None),
        ("denied", "allow", "not_personalized", "no_consent:denied"),
        ("false", "allow", "not_personalized", "no_consent:denied"),
        (None, "deny", None, "no_consent:missing"),
        ("", "deny", None, "no_consent:missing"),
        (None, "allow", None, None),
    ],
)
def test_consent(con, batch, consent, missing, kept, excluded):
    found = one(con, batch, rules(consent_missing=missing), consent=consent)
    assert (found["consent"], found["excluded"]) == (kept, excluded)


def test_consent_as_truth_value(con, batch):
    assert one(con, batch, types={"consent": pa.bool_()}, consent=False)["excluded"] == "no_consent:denied"


def test_ignored_comes_before_consent(con, batch):
    given = rules(ignore_tokens=("staff-*", "it's"), consent_missing="deny")
    assert one(con, batch, given, user_token="staff-7")["excluded"] == "ignored:user_token"
    assert one(con, batch, given, authenticated_user_token="staff-7")["excluded"] == "ignored:user_token"
    assert one(con, batch, given, user_token="staff")["excluded"] == "no_consent:missing"


def test_the_first_failing_check_names_the_reason(con, batch):
    assert one(con, batch, timestamp="x", user_token="", event_type="?").startswith("timestamp")
    assert one(con, batch, user_token="", event_type="?").startswith("user_token")


def key(event):
    return event["key_hi"], event["key_lo"]


def test_equal_content_is_one_event_whatever_the_types_of_its_columns(con, batch):
    plain = one(con, batch, price="12.0", quantity="1", context=[("country", "NL"), ("device", "app")])
    types = {"price": pa.int64(), "quantity": pa.float64(), "timestamp": pa.timestamp("us", "UTC")}
    at = datetime(2026, 5, 1, 10, tzinfo=UTC)
    context = [("device", "app"), ("country", "NL")]
    assert key(plain) == key(one(con, batch, types=types, price=12, quantity=1.0, timestamp=at, context=context))


@pytest.mark.parametrize(
    "changed",
    [
        {"timestamp": "2026-05-01T10:00:00.000001Z"},
        {"user_token": "u2"},
        {"authenticated_user_token": "u1"},
        {"session_id": "s"},
        {"order_id": "s"},
        {"query_id": "s"},
        {"event_name": "s"},
        {"event_type": "click"},
        {"object_id": "p2"},
        {"object_id": None},
        {"object_id": None, "facet_filters": ["a:b"]},
        {"price": "1"},
        {"quantity": "1"},
        {"discount": "1"},
        {"position": "1"},
        {"currency": "EUR"},
        {"index": "i"},
        {"consent": "for_you"},
        {"context": [("device", "app")]},
        {"product": "{}"},
        {"event_id": "e1"},
    ],
)
def test_every_field_makes_another_event(con, batch, changed):
    together = clean(con, batch([VIEW, {**VIEW, **changed}]), RULES)
    first, second = together.accepted.to_pylist()
    assert key(first) != key(second)
    assert key(first) == key(one(con, batch))
    assert key(second) == key(one(con, batch, **changed))


def test_an_id_from_the_source_is_the_identity_together_with_the_product(con, batch):
    first = one(con, batch, event_id="e1", price="1")
    assert key(first) == key(one(con, batch, event_id="e1", price="2"))
    assert key(first) != key(one(con, batch, event_id="e1", object_id="p2"))
    assert key(first) != key(one(con, batch, rules(source="other"), event_id="e1"))


def test_row_identity_keeps_equal_rows_apart_and_replays_together(con, batch):
    rows = batch([VIEW, VIEW])
    first = clean(con, rows, rules(identity="row")).accepted.to_pylist()
    assert key(first[0]) != key(first[1])
    assert [key(e) for e in clean(con, rows, rules(identity="row")).accepted.to_pylist()] == [key(e) for e in first]


def test_rejected_rows_keep_place_and_content(con, batch, bad_row):
    rows = [VIEW, {**VIEW, "price": "x"}, VIEW, {**VIEW, "user_token": ""}]
    cut = bad_row("f:4", '2026-05-01,"vi', "fewer columns than the header", incomplete=True)
    cleaned = clean(con, batch(rows, bad=[cut]), RULES)
    assert cleaned.read == 5 == cleaned.accepted.num_rows + cleaned.rejected.num_rows
    assert cleaned.positions.to_pylist() == ["f:0", "f:2"]
    assert cleaned.rejected["position"].to_pylist() == ["f:1", "f:3", "f:4"]
    assert '"price": "x"' in cleaned.rejected["row"][0].as_py()
    assert cleaned.rejected["row"][2].as_py() == '"2026-05-01,\\"vi"'
    assert cleaned.reasons() == {
        "fewer columns than the header": 1,
        "price is not a number": 1,
        "user_token is empty": 1,
    }


def test_an_empty_batch(con, batch):
    cleaned = clean(con, batch([]), rules(as_of=None))
    assert (cleaned.read, cleaned.accepted.num_rows, cleaned.rejected.num_rows) == (0, 0, 0)
    assert cleaned.accepted.schema == CLEAN


def test_one_wrong_year_does_not_make_the_others_ancient(con, batch):
    past = [{**VIEW, "timestamp": f"2019-10-{day:02d}T00:00:00Z", "object_id": f"p{day}"} for day in range(1, 31)]
    wrong = [{**VIEW, "timestamp": "2823-01-01T00:00:00Z"}, {**VIEW, "timestamp": "2026-05-31T00:00:00Z"}]
    given = rules(as_of=None)
    cleaned = clean(con, batch(past + wrong + [{**VIEW, "timestamp": "1970-01-01T00:00:01Z"}]), given)
    assert cleaned.accepted.num_rows == 31
    assert cleaned.reasons() == {"timestamp is in the future": 1, "timestamp is older than events may be": 1}
    assert newest(con, batch(past + wrong), given) == datetime(2019, 10, 30, tzinfo=UTC)
    assert newest(con, batch([]), given) is None


def test_the_newest_event_of_the_log_counts_where_nothing_else_is_said(con, batch):
    old = batch([{**VIEW, "timestamp": "2020-01-01T00:00:00Z"}])
    assert clean(con, old, rules(as_of=None)).accepted.num_rows == 1
    assert clean(con, old, rules(as_of=None, newest=NOW)).rejected.num_rows == 1


def test_too_large_a_share_of_rejected_rows_stops(con, batch, bad_row):
    cleaned = clean(con, batch([VIEW] * 7 + [{**VIEW, "price": "x"}] * 2 + [{**VIEW, "user_token": ""}]), RULES)
    check_share(cleaned, 0.3)
    with pytest.raises(RejectedShareError) as caught:
        check_share(cleaned, 0.2)
    assert "3 of 10 rows (30%)" in str(caught.value)
    assert "price is not a number (2 rows, first at f:7)" in str(caught.value)
    assert "algosync quarantine list" in str(caught.value)
    cut = bad_row("f:1", "x", "fewer columns", incomplete=True)
    check_share(clean(con, batch([VIEW], bad=[cut]), RULES), 0.0)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "timestamp": st.one_of(st.none(), st.text(max_size=12), st.datetimes().map(str)),
                "user_token": st.one_of(st.none(), st.text(max_size=5)),
                "event_type": st.one_of(st.sampled_from(["view", "purchase", "login"]), st.text(max_size=5)),
                "object_id": st.one_of(st.none(), st.text(max_size=3)),
                "facet_filters": st.one_of(st.none(), st.lists(st.text(max_size=4), max_size=3)),
                "price": st.one_of(st.none(), st.text(max_size=6), st.floats().map(str)),
                "quantity": st.one_of(st.none(), st.text(max_size=3), st.integers().map(str)),
                "consent": st.one_of(st.none(), st.text(max_size=4)),
            }
        ),
        max_size=6,
    )
)
def test_anything_is_either_accepted_or_rejected(con, batch, rows):
    cleaned = clean(con, batch(rows), rules(timezone="Europe/Berlin"))
    assert cleaned.accepted.num_rows + cleaned.rejected.num_rows == cleaned.read == len(rows)
    assert len(cleaned.positions) == cleaned.accepted.num_rows
    alone = [clean(con, batch([row]), rules(timezone="Europe/Berlin")).accepted.to_pylist() for row in rows]
    assert cleaned.accepted.to_pylist() == [event for events in alone for event in events]
