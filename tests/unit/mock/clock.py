"""A clock that tests move by hand."""

from __future__ import annotations


class Clock:
    """Epoch milliseconds; called, it tells them."""

    def __init__(self, now_ms: int = 0) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms
