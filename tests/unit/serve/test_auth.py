from __future__ import annotations

import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from algoliasearch.search.client import SearchClientSync
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from algosync.errors import AccessError, ConfigError, ForbiddenError, RequestError
from algosync.experience.keys import SKEW, key_id, sign
from algosync.serve.anonymous import is_unguessable, refuse_known
from algosync.serve.auth import Gate, Keys, Verified, Visitor

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD, NEW = "the secret of last year, long enough", "the secret of this year, long enough"
PARENT, ADMIN, PUBLIC = "parent-search-key-0123456789", "the shop's own key, of 32 characters", "public-storefront"
KEYS = Keys(public=(PUBLIC,), admin=ADMIN, visitor_secrets=(NEW, OLD), secured_parent=PARENT)
ANONYMOUS = "0f8fad5b-d9cb-469f-a165-70867728950e"
_CLIENT = SearchClientSync("SHOPAPPID", "unused")
PEOPLE: dict[str, Any] = {
    "user123": {"person": "user123", "state": "user"},
    "9b2f6c1e-5d0a-4c3e-8f47-2a1b3c4d5e6f": {"person": "9b2f6c1e-5d0a-4c3e-8f47-2a1b3c4d5e6f", "state": "user"},
    "c1d2e3f4-a5b6-4789-9abc-def012345678": {"person": "user123", "state": "user"},
}


def gate(keys: Keys = KEYS) -> Gate:
    return Gate(keys, PEOPLE.get)


def opens(key: str | None, keys: Keys = KEYS, **more: Any) -> Visitor:
    return gate(keys).opens(key, **{"now": NOW, **more})


def visitor_key(token: str = "user123", *, secret: str = NEW, ago: timedelta = timedelta()) -> str:
    return sign(token, secrets=[secret], valid_for=timedelta(hours=1), now=NOW - ago)


def secured(parent: str = PARENT, **restrictions: Any) -> str:
    return _CLIENT.generate_secured_api_key(parent_api_key=parent, restrictions=restrictions)


def test_a_visitor_key_opens_its_own_token_alone() -> None:
    visitor = opens(visitor_key())
    assert (visitor.user_token, visitor.way, visitor.authenticated) == ("user123", "visitor", True)
    assert gate().token_for(visitor, None) == "user123"
    assert gate().token_for(visitor, "user123") == "user123"
    with pytest.raises(ForbiddenError) as caught:
        gate().token_for(visitor, "user124")
    assert "user12" not in str(caught.value)
    gate().allow(visitor, "user123", PEOPLE["user123"])


def test_rotation_the_first_secret_signs_and_all_verify() -> None:
    assert opens(visitor_key(secret=OLD)).user_token == "user123"
    with pytest.raises(AccessError):
        opens(visitor_key(secret=OLD), Keys(visitor_secrets=(NEW,)))


def test_an_expired_key_says_so_and_a_small_skew_is_forgiven() -> None:
    with pytest.raises(AccessError, match="expired"):
        opens(visitor_key(ago=timedelta(hours=2)))
    assert opens(visitor_key(ago=timedelta(hours=1, seconds=20))).user_token == "user123"
    assert opens(visitor_key(ago=timedelta(seconds=-20))).user_token == "user123"
    with pytest.raises(AccessError, match="not valid yet"):
        opens(visitor_key(ago=timedelta(minutes=-5)))


def _forged() -> dict[str, str]:
    good = visitor_key()
    head, claims, signature = good.split(".")
    says = {"sub": "user123", "aud": "algosync", "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 99}
    kid = {"kid": key_id(NEW)}
    return {
        "another secret": sign("user123", secrets=["x" * 40], valid_for=timedelta(hours=1), now=NOW),
        "another secret under our kid": jwt.encode(says, "x" * 40, "HS256", headers=kid),
        "no algorithm": jwt.encode(says, None, "none", headers=kid),
        "another algorithm": jwt.encode(says, NEW * 2, "HS512", headers=kid),
        "the right secret, another algorithm": jwt.encode(says, NEW.ljust(64, "x"), "HS384", headers=kid),
        "another audience": jwt.encode({**says, "aud": "others"}, NEW, "HS256", headers=kid),
        "no end": jwt.encode({name: says[name] for name in ("sub", "aud", "iat")}, NEW, "HS256", headers=kid),
        "no subject": jwt.encode({name: says[name] for name in ("aud", "iat", "exp")}, NEW, "HS256", headers=kid),
        "claims exchanged": f"{head}.{b64encode(b'{}').decode().rstrip('=')}.{signature}",
        "signature cut": good[:-4],
        "signature gone": f"{head}.{claims}.",
        "no token": "a.b.c",
        "not even ascii": "ä.ö.ü",
        "endless": "a." * 2 + "b" * 100_000,
    }


@pytest.mark.parametrize("name", list(_forged()))
def test_forged_keys_open_nothing_and_say_nothing(name: str) -> None:
    with pytest.raises(AccessError) as caught:
        opens(_forged()[name])
    assert not isinstance(caught.value, ForbiddenError)
    assert caught.value.where == "authorization"
    told = str(caught.value)
    assert not any(secret in told for secret in ("user123", NEW, OLD, ADMIN, PARENT))


@given(st.binary(min_size=1, max_size=6), st.data())
def test_no_changed_key_opens(noise: bytes, data: st.DataObject) -> None:
    key = visitor_key()
    at = data.draw(st.integers(0, len(key) - 1))
    changed = key[:at] + noise.decode("latin-1") + key[at + len(noise) :]
    claims_end = key.rindex(".")
    if changed == key or (changed[:claims_end] == key[:claims_end] and at > claims_end and _same_bits(changed, key)):
        return
    with pytest.raises(AccessError):
        opens(changed)


def _same_bits(one: str, other: str) -> bool:
    def bits(text: str) -> bytes | None:
        signature = text.rpartition(".")[2]
        try:
            return b64decode(re.sub("-", "+", re.sub("_", "/", signature)) + "==")
        except ValueError:
            return None

    return bits(one) == bits(other)


def test_the_admin_key_opens_whom_it_names() -> None:
    visitor = opens(ADMIN)
    assert gate().token_for(visitor, "anybody") == "anybody"
    with pytest.raises(RequestError, match="userToken: is missing"):
        gate().token_for(visitor, None)
    gate().allow(visitor, "user123", PEOPLE["user123"])


@pytest.mark.parametrize("key", [None, "", "unknown", ADMIN + "x", ADMIN[:-1], PUBLIC + " "])
def test_other_keys_open_nothing(key: str | None) -> None:
    with pytest.raises(AccessError):
        opens(key)


def test_keys_that_are_not_configured_open_nothing() -> None:
    for key in (visitor_key(), ADMIN, PUBLIC, secured(userToken="user123")):
        with pytest.raises(AccessError):
            opens(key, Keys())


def test_a_secret_among_public_keys_is_refused() -> None:
    with pytest.raises(ConfigError):
        gate(Keys(public=(ADMIN,), admin=ADMIN))
    with pytest.raises(ConfigError):
        gate(Keys(visitor_secrets=("short",)))


class TestAnonymous:
    def test_a_public_key_opens_an_unguessable_token(self) -> None:
        visitor = opens(PUBLIC)
        assert not visitor.authenticated
        assert gate().token_for(visitor, ANONYMOUS) == ANONYMOUS
        gate().allow(visitor, ANONYMOUS, None)
        gate().allow(visitor, ANONYMOUS, {"person": ANONYMOUS, "state": "visitor"})
        gate().allow(visitor, ANONYMOUS, {"person": ANONYMOUS, "state": "buyer", "authenticated": False})

    def test_a_guessable_one_it_does_not(self) -> None:
        with pytest.raises(RequestError, match="guessed") as caught:
            gate().token_for(opens(PUBLIC), "user123")
        assert caught.value.status == 403

    @pytest.mark.parametrize(
        "person",
        [
            {"person": ANONYMOUS, "state": "user"},
            {"person": ANONYMOUS, "state": "buyer"},
            {"person": ANONYMOUS, "state": "visitor", "authenticated": True},
            {"person": "user123", "state": "user"},
            {"person": "user123", "state": "visitor", "authenticated": False},
        ],
    )
    def test_nothing_of_somebody_who_logged_in(self, person: dict[str, Any]) -> None:
        with pytest.raises(ForbiddenError, match="anonymous profiles only"):
            refuse_known(ANONYMOUS, person)

    @pytest.mark.parametrize(
        ("token", "good"),
        [
            ("3d1f6c7e-52a4-4b8e-9c0d-7e2f1a6b5c84", True),
            ("anonymous-3d1f6c7e-52a4-4b8e-9c0d-7e2f1a6b5c84", True),
            ("3D1F6C7E-52A4-4B8E-9C0D-7E2F1A6B5C84", True),
            ("3d1f6c7e52a44b8e9c0d7e2f1a6b5c84", True),
            ("f54c36be-e725-11f1-832c-02fc00000001", False),
            ("0190163d-8694-739b-aea5-966c26f8ad91", False),
            ("mfrggzdfmztwq2lknnwg23tpob", True),
            ("V1StGXR8_Z5jdHi6B-myT0", True),
            ("V1StGXR8_Z5jdHi6B-my", False),
            ("a" * 64, False),
            ("1234567890" * 3, False),
            ("1234567890" * 4, True),
            ("user123", False),
            ("anonymous-user123", False),
            ("", False),
            ("ä" * 40, False),
        ],
    )
    def test_what_counts_as_unguessable(self, token: str, good: bool) -> None:
        assert is_unguessable(token) is good

    @given(st.uuids(version=4))
    def test_every_random_uuid_does(self, made: object) -> None:
        assert is_unguessable(str(made))


class TestSecured:
    def test_a_key_of_the_official_client_opens_its_token(self) -> None:
        visitor = opens(secured(userToken="user123", validUntil=int(NOW.timestamp()) + 60))
        assert (visitor.user_token, visitor.way) == ("user123", "visitor")

    def test_what_it_does_not_open(self) -> None:
        for key in (
            secured(validUntil=int(NOW.timestamp()) - 60, userToken="user123"),
            secured(filters="brand:Apple"),
            secured(userToken=""),
            secured("another-parent-key-0123456789", userToken="user123"),
            secured(userToken="user123")[:-3],
            secured(userToken="user123") + "=",
        ):
            with pytest.raises(AccessError):
                opens(key)

    def test_a_token_said_twice_is_refused(self) -> None:
        from algosync.serve.secured import _signed

        with pytest.raises(AccessError, match="more than once"):
            opens(_signed(PARENT, "userToken=user123&userToken=user124"))

    def test_a_source_is_heeded(self) -> None:
        key = secured(userToken="user123", restrictSources="192.168.1.0/24")
        assert opens(key, address="192.168.1.20").user_token == "user123"
        for address in ("192.168.2.20", "", "unknown"):
            with pytest.raises(AccessError, match="address"):
                opens(key, address=address)

    def test_the_parent_itself_ends_the_scheme_and_raises_an_alarm(self) -> None:
        guard, key = gate(), secured(userToken="user123")
        assert guard.opens(key, now=NOW).user_token == "user123"
        with capture_logs() as logs, pytest.raises(AccessError):
            guard.opens(PARENT, now=NOW)
        with pytest.raises(AccessError):
            guard.opens(key, now=NOW)
        with pytest.raises(AccessError):
            guard.opens(PARENT, now=NOW)
        assert [line["log_level"] for line in logs] == ["error"]
        assert PARENT not in str(logs)
        assert guard.opens(visitor_key(), now=NOW).user_token == "user123"

    def test_a_parent_that_the_storefront_uses_is_no_parent(self) -> None:
        with capture_logs() as logs:
            guard = gate(Keys(secured_parent=PARENT, storefront=PARENT))
        assert [line["log_level"] for line in logs] == ["error"]
        assert not guard.secured.on
        with pytest.raises(AccessError):
            guard.opens(secured(userToken="user123"), now=NOW)


class TestWriting:
    def test_a_public_key_leaves_events_of_unguessable_tokens(self) -> None:
        guard, visitor = gate(), opens(PUBLIC)
        guard.may_write(visitor, [(ANONYMOUS, None)])
        guard.may_write(visitor, [("c1d2e3f4-a5b6-4789-9abc-def012345678", None)])
        with pytest.raises(RequestError):
            guard.may_write(visitor, [("user123", None)])
        with pytest.raises(ForbiddenError):
            guard.may_write(visitor, [(ANONYMOUS, "user123")])
        with pytest.raises(ForbiddenError):
            guard.may_write(visitor, [("9b2f6c1e-5d0a-4c3e-8f47-2a1b3c4d5e6f", None)])

    def test_a_visitor_key_stands_for_its_token(self) -> None:
        guard, visitor = gate(), opens(visitor_key())
        guard.may_write(visitor, [("user123", None), ("user123", "user123"), (ANONYMOUS, "user123")])
        for claim in ((ANONYMOUS, None), ("user123", "user124"), ("user124", None), (ANONYMOUS, "user124")):
            with pytest.raises(ForbiddenError):
                guard.may_write(visitor, [("user123", None), claim])
        with pytest.raises(RequestError, match="guessed"):
            guard.may_write(visitor, [("user124", "user123")])
        with pytest.raises(ForbiddenError):
            guard.may_write(visitor, [("9b2f6c1e-5d0a-4c3e-8f47-2a1b3c4d5e6f", "user123")])

    def test_the_admin_key_leaves_anything(self) -> None:
        gate().may_write(opens(ADMIN), [("user123", "user124")])


def test_keys_are_not_shown() -> None:
    assert not any(secret in repr(KEYS) for secret in (NEW, OLD, ADMIN, PARENT))


@pytest.mark.parametrize("known", ["admin", "secret"])
def test_what_every_page_carries_is_no_secret(known: str) -> None:
    storefront = "0123456789abcdef0123456789abcdef"
    over = {"admin": storefront} if known == "admin" else {"visitor_secrets": (NEW, storefront)}
    with pytest.raises(ConfigError) as caught:
        gate(Keys(storefront=storefront, **over))
    assert storefront not in str(caught.value)


def test_a_verified_key_counts_from_then_until_it_runs_out_and_no_longer() -> None:
    secret = "a secret that is long enough for this"
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    verified = Verified([secret], kept=2)
    key = sign("anna", secrets=[secret], valid_for=timedelta(minutes=5), now=now)
    assert verified.holder(key, now).user_token == "anna"
    assert verified.holder(key, now + timedelta(minutes=4)).user_token == "anna"
    for moment in (now + timedelta(minutes=5) + SKEW, now - timedelta(hours=1)):
        with pytest.raises(AccessError):
            verified.holder(key, moment)
    forged = key[:-4] + ("AAAA" if not key.endswith("AAAA") else "BBBB")
    with pytest.raises(AccessError):
        verified.holder(forged, now)


def test_only_so_many_verified_keys_are_kept() -> None:
    secret = "a secret that is long enough for this"
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    verified = Verified([secret], kept=2)
    for n in range(5):
        key = sign(f"token-{n}", secrets=[secret], valid_for=timedelta(minutes=5), now=now)
        assert verified.holder(key, now).user_token == f"token-{n}"
    assert len(verified) == 2
