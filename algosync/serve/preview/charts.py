"""Charts as inline SVG, made on the server: bars side by side, and stacked columns over time.

Only shapes and words: colours come from the style sheet by class, so that they follow light and dark. Each chart has a
title and a description; the numbers themselves stand in the table beneath it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

_WIDE: Final = 320
_LABEL: Final = 22
_VALUE: Final = 96
_BAR: Final = 14
_STEP: Final = 50
_LEAST: Final = 1.5

_WIDTH: Final = 420
_HEIGHT: Final = 180
_FOOT: Final = 24
_SCALE: Final = 36
_ROUND_STEPS: Final = (1, 2, 4, 6, 8, 10)

# A Markup escapes what is put into it.
_RECT: Final = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="2"/>')
_TEXT: Final = Markup('<text class="{}" x="{:.1f}" y="{:.1f}" dominant-baseline="central">{}</text>')
_LINE: Final = Markup('<line class="scale" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>')
_SVG: Final = Markup(
    '<svg class="chart {kind}" role="img" aria-labelledby="{name}-title {name}-text" viewBox="0 0 {width} {height}">'
    '<title id="{name}-title">{title}</title><desc id="{name}-text">{text}</desc>{shapes}</svg>'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: what it is of, how long it is, and how that is written."""

    label: str
    value: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column over time: its label, and the parts that are stacked, lowest first."""

    label: str
    parts: tuple[int, ...]


def bars(name: str, title: str, description: str, rows: Sequence[Bar]) -> Markup:
    """Horizontal bars, each with its label and value in words.

    Args:
        name: An id that no other chart of the page has.
        title: What is shown.
        description: What it says, in a sentence, for those who do not see it.
        rows: The bars; values of 0 or more.
    """
    most = max((row.value for row in rows), default=0) or 1
    shapes = []
    for number, row in enumerate(rows):
        top = number * _STEP
        length = max(_LEAST, row.value / most * (_WIDE - _VALUE))
        shapes += [
            _text(row.label, x=0, y=top + _LABEL / 2, kind="label"),
            _rect(x=0, y=top + _LABEL, width=length, height=_BAR, kind="bar"),
            _text(row.text, x=length + 8, y=top + _LABEL + _BAR / 2, kind="value"),
        ]
    return _svg(name, title, description, Markup("").join(shapes), size=(_WIDE, len(rows) * _STEP))


def columns(name: str, title: str, description: str, rows: Sequence[Column]) -> Markup:
    """Stacked columns over time with a scale of round numbers; the first and last are labelled.

    Args:
        name: An id that no other chart of the page has.
        title: What is shown.
        description: What it says, in a sentence, for those who do not see it.
        rows: The columns, in order of time.
    """
    top = _round_up(max((sum(row.parts) for row in rows), default=0))
    width = (_WIDTH - _SCALE) / max(1, len(rows))
    shapes = [_scale_line(step, top) for step in (0, top / 2, top)]
    for number, row in enumerate(rows):
        left, floor = _SCALE + number * width, float(_HEIGHT)
        for place, part in enumerate(row.parts):
            height = part / top * (_HEIGHT - 10)
            floor -= height
            if part:
                shapes.append(_rect(x=left + 1.5, y=floor, width=width - 3, height=height, kind=f"part-{place + 1}"))
    for number, kind in ((0, "label"), (len(rows) - 1, "label end")):
        if rows:
            edge = _SCALE if number == 0 else _WIDTH
            shapes.append(_text(rows[number].label, x=edge, y=_HEIGHT + _FOOT / 2 + 2, kind=kind))
    return _svg(name, title, description, Markup("").join(shapes), size=(_WIDTH, _HEIGHT + _FOOT))


def _scale_line(value: float, top: float) -> Markup:
    y = _HEIGHT - value / top * (_HEIGHT - 10)
    return _LINE.format(_SCALE, _WIDTH, y, y) + _text(f"{value:,g}", x=_SCALE - 8, y=max(y, 8), kind="label end")


def _round_up(value: float) -> float:
    """The next round number that can be halved."""
    if value <= 2:
        return 2.0
    power = 10.0 ** (len(str(int(value))) - 1)
    return next(step * power for step in _ROUND_STEPS if step * power >= value)


def _rect(*, x: float, y: float, width: float, height: float, kind: str) -> Markup:
    return _RECT.format(kind, x, y, width, height)


def _text(text: str, *, x: float, y: float, kind: str) -> Markup:
    return _TEXT.format(kind, x, y, text)


def _svg(name: str, title: str, description: str, shapes: Markup, *, size: tuple[int, int]) -> Markup:
    kind, (width, height) = "bars" if size[0] == _WIDE else "columns", size
    told = {"name": name, "kind": kind, "title": title, "text": description}
    return _SVG.format(**told, width=width, height=max(height, 1), shapes=shapes)
