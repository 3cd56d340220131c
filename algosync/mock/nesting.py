"""Reads JSON that a client sends. What is taken can be told again later, wherever in an answer it stands.

orjson reads 1,024 levels of arrays and objects but writes 254. How deep Algolia lets a body be is not documented.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import orjson

LEVELS_MAX = 200
_LEVELS_WRITTEN = 254


def read_json(text: bytes | str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: It is no JSON, or it has more than 200 levels.
    """
    content = orjson.loads(text)
    try:
        orjson.dumps(reduce(lambda inner, _: [inner], range(_LEVELS_WRITTEN - LEVELS_MAX), content))
    except orjson.JSONEncodeError:
        raise ValueError(f"more than {LEVELS_MAX} levels of arrays and objects") from None
    return content
