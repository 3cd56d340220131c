import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algosync.errors import AccessError, ConfigError
from algosync.experience import keys

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD, NEW = "o" * 40, "n" * 40
HOUR = timedelta(hours=1)


def signed(claims, *, secret=NEW, algorithm="HS256", headers=None):
    return jwt.encode(claims, secret, algorithm=algorithm, headers=headers)


def claims(**changes):
    at = int(NOW.timestamp())
    whole = {"sub": "u-1", "aud": "algosync", "iat": at, "exp": at + 60} | changes
    return {name: value for name, value in whole.items() if value is not None}


@given(token=st.from_regex(r"[a-zA-Z0-9_=/+-]{1,129}", fullmatch=True))
@settings(max_examples=40, deadline=None)
def test_a_key_opens_what_it_was_made_for(token):
    key = keys.sign(token, secrets=[NEW], valid_for=HOUR, now=NOW)
    opened = keys.verify(key, secrets=[NEW], now=NOW + HOUR - timedelta(seconds=1))
    assert opened == keys.Claims(user_token=token, issued=NOW, expires=NOW + HOUR)


def test_the_key_is_a_standard_token_that_names_its_secret():
    key = keys.sign("u-1", secrets=[NEW], valid_for=HOUR, now=NOW)
    assert jwt.get_unverified_header(key) == {"alg": "HS256", "typ": "JWT", "kid": keys.key_id(NEW)}
    body = jwt.decode(key, NEW, algorithms=["HS256"], audience="algosync", options={"verify_exp": False})
    assert body == {"sub": "u-1", "aud": "algosync", "iat": NOW.timestamp(), "exp": (NOW + HOUR).timestamp()}


def test_a_rotation_takes_keys_of_both_secrets_until_the_old_one_goes():
    old = keys.sign("u-1", secrets=[OLD], valid_for=HOUR, now=NOW)
    assert keys.verify(old, secrets=[NEW, OLD], now=NOW).user_token == "u-1"
    new = keys.sign("u-1", secrets=[NEW, OLD], valid_for=HOUR, now=NOW)
    assert keys.verify(new, secrets=[NEW], now=NOW).user_token == "u-1"
    with pytest.raises(AccessError, match="not signed with a secret known here"):
        keys.verify(old, secrets=[NEW], now=NOW)


def test_a_key_of_a_foreign_library_need_not_name_its_secret():
    assert keys.verify(signed(claims(), secret=OLD), secrets=[NEW, OLD], now=NOW).user_token == "u-1"


def test_it_runs_out_with_a_little_patience_for_clocks():
    key = keys.sign("u-1", secrets=[NEW], valid_for=HOUR, now=NOW)
    assert keys.verify(key, secrets=[NEW], now=NOW + HOUR + keys.SKEW - timedelta(seconds=1))
    with pytest.raises(AccessError, match="has expired"):
        keys.verify(key, secrets=[NEW], now=NOW + HOUR + keys.SKEW)
    assert keys.verify(key, secrets=[NEW], now=NOW - keys.SKEW)
    with pytest.raises(AccessError, match="not valid yet"):
        keys.verify(key, secrets=[NEW], now=NOW - keys.SKEW - timedelta(seconds=1))


def test_a_date_from_which_on_it_holds_is_heeded():
    with pytest.raises(AccessError, match="not valid yet"):
        keys.verify(signed(claims(nbf=int(NOW.timestamp()) + 3600)), secrets=[NEW], now=NOW)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "not a signed token"),
        ("abc.def", "not a signed token"),
        ("ü.ü.ü", "not a signed token"),
        ("x" * 3000, "too long"),
        (signed(claims(aud="other")), "another audience"),
        (signed(claims(aud=None)), "lacks 'aud'"),
        (signed(claims(exp=None)), "lacks 'exp'"),
        (signed(claims(iat=None)), "lacks 'iat'"),
        (signed(claims(sub=None)), "lacks 'sub'"),
        (signed(claims(sub="")), "names no userToken"),
        (signed(claims(sub="u" * 200)), "names no userToken"),
        (signed(claims(sub="a@b.example")), "names no userToken"),
        (signed(claims(exp="soon")), "times are not numbers"),
        (signed(claims(exp=True)), "times are not numbers"),
        (signed(claims(exp=10**40)), "out of range"),
        (signed(claims(), secret="f" * 40), "not signed with a secret known here"),
        (signed(claims(), algorithm="HS512", secret=NEW * 2), "not signed by HS256"),
        (signed(claims(), headers={"kid": "00000000"}), "not signed with a secret known here"),
    ],
)
def test_what_is_refused_and_why(key, why):
    with pytest.raises(AccessError, match=why) as refused:
        keys.verify(key, secrets=[NEW], now=NOW)
    assert "u-1" not in str(refused.value)
    assert NEW not in str(refused.value)


def test_a_token_without_signature_opens_nothing():
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=").decode()
    with pytest.raises(AccessError, match="refused"):
        keys.verify(f"{head}.{body}.", secrets=[NEW], now=NOW)


@given(at=st.integers(0, 500), to=st.sampled_from("abcXYZ019-_"))
@settings(max_examples=60, deadline=None)
def test_a_changed_key_never_opens_another_token(at, to):
    key = keys.sign("u-1", secrets=[NEW], valid_for=HOUR, now=NOW)
    at %= len(key)
    changed = key[:at] + to + key[at + 1 :]
    try:
        opened = keys.verify(changed, secrets=[NEW], now=NOW)
    except AccessError:
        return
    assert opened.user_token == "u-1"
    assert opened.expires == NOW + HOUR


def test_bad_secrets_are_refused_without_being_shown():
    with pytest.raises(ConfigError, match="no secret"):
        keys.sign("u-1", secrets=[], valid_for=HOUR, now=NOW)
    with pytest.raises(ConfigError, match="shorter than 32 bytes") as refused:
        keys.verify("x", secrets=[NEW, "hunter2"], now=NOW)
    assert "hunter2" not in str(refused.value)


def test_nothing_is_signed_for_nobody_or_for_no_time():
    for token, span in (("", HOUR), ("u" * 130, HOUR), ("a@b.example", HOUR), ("u-1", timedelta(0)), ("u-1", -HOUR)):
        with pytest.raises(AccessError):
            keys.sign(token, secrets=[NEW], valid_for=span, now=NOW)


@pytest.mark.parametrize("claims", [{"exp": 253402300799}, {"iat": -62135596800, "nbf": -62135596800}])
def test_times_at_the_end_of_all_days_are_times(claims: dict[str, int]) -> None:
    said = {"sub": "user123", "aud": "algosync", "iat": 0, "exp": 253402300799, **claims}
    key = jwt.encode(said, NEW, algorithm="HS256")
    assert keys.verify(key, secrets=[NEW], now=NOW).user_token == "user123"


@pytest.mark.parametrize(
    "key",
    [
        "\ud800.\ud800.\ud800",
        "é.é.é",
        base64.urlsafe_b64encode(b"[" * 1500).decode().rstrip("=") + ".e30.x",
        base64.urlsafe_b64encode(b'{"alg":"HS256","kid":{"$ne":1}}').decode().rstrip("=") + ".e30.x",
        base64.urlsafe_b64encode(b'{"alg":"HS256","b64":false,"crit":["b64"]}').decode().rstrip("=") + "..x",
    ],
    ids=["lone surrogates", "letters beyond ASCII", "lists within lists", "a kid that is no text", "a body elsewhere"],
)
def test_what_is_no_token_at_all_is_refused_as_that(key):
    with pytest.raises(AccessError, match="refused"):
        keys.verify(key, secrets=[NEW], now=NOW)


def test_a_public_key_of_the_shops_is_no_secret_to_sign_with():
    """The confusion of RS256 with HS256: there is one algorithm here, and it is not the key's to choose."""
    public = "-----BEGIN PUBLIC KEY-----MFkwEwYHKoZIzj0CAQYI-----END PUBLIC KEY-----"
    head = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    key = jwt.encode(claims(), "k" * 40, algorithm="HS256")
    with pytest.raises(AccessError, match="not signed by HS256"):
        keys.verify(".".join((head, *key.split(".")[1:])), secrets=[NEW, public], now=NOW)
