"""How ids of a source that Algolia would not take, or must not see, become ids that it may."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Literal

Transform = Literal["safe", "hmac"]

_TOKEN_MAX = 128
_HMAC_CHARACTERS = 22


def safe(value: str) -> str:
    """Return an id in Algolia's alphabet `[a-zA-Z0-9_=/+-]`, at most 128 characters, different ids staying different.

    1. An id of 1 to 128 characters of that alphabet that does not begin with `==` stays as it is.
    2. Any other becomes `==` and then, byte by byte of its UTF-8: a byte of `[a-zA-Z0-9_/+-]` as it is, every other
       (`=` too) as `=` and two upper-case hexadecimal digits.
    3. Where that is longer than 128 characters: `====` and the SHA-256 of its UTF-8 in base64url without padding.

    The three forms cannot meet: `==` begins only forms 2 and 3, and in form 2 it is never followed by `==`. The empty
    id stays empty.
    """
    if not value or (re.fullmatch(r"[a-zA-Z0-9_=/+-]{1,128}", value) and not value.startswith("==")):
        return value
    raw = value.encode()
    made = "==" + re.sub(rb"[^a-zA-Z0-9_/+-]", lambda found: b"=%02X" % found[0][0], raw).decode()
    return made if len(made) <= _TOKEN_MAX else f"===={_base64(hashlib.sha256(raw).digest())}"


def hashed(value: str, key: bytes) -> str:
    """Return the first 22 characters (132 bits) of HMAC-SHA256 in base64url; the empty id stays empty."""
    return _base64(hmac.digest(key, value.encode(), "sha256"))[:_HMAC_CHARACTERS] if value else value


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
