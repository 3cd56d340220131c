"""The reader of the text form of filters: `(brand:Apple OR brand:Sony) AND NOT price > 100 AND rating:4 TO 5`.

OR binds tighter than AND; a group holds one kind of filter (facet, tag, numeric); conjunctions inside a disjunction and
negated groups are refused. These rules and the wording of the errors follow Algolia's own filter validator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from algosync.errors import AlgoliaError
from algosync.mock.engine.filters import FacetTerm, Filter, Group, NumericTerm, Operator, Term, checked_score

DEPTH_MAX = 50

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<open>["'])
      | (?P<operator><=|>=|!=|[=<>])
      | (?P<mark>[():,])
      | (?P<bare>(?:[^\s():,=<>!"']|!(?!=))+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\Z")
_KEYWORDS = frozenset({"AND", "OR", "NOT", "TO"})
_NEGATED: dict[Operator, Operator] = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_KINDS = {
    "tag": "Expected a tag filter which needs to have this form:\n - _tags:tag_value\n - tag_value",
    "facet": "Expected a facet filter which needs to have this form:\n - facet_name:facet_value",
    "numeric": "Expected a numeric filter which needs to have one of the following form:\n"
    + "\n".join(f" - numeric_attr_name{op}10" for op in ("=", ">", ">=", "<", "<=", "!=", ":10 TO 20")).replace(
        ":10 TO 2010", ":10 TO 20"
    ),
}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # string, number, incomplete, end, or the mark, operator or keyword itself
    text: str
    column: int

    def __str__(self) -> str:
        if self.kind == "string":
            return f"string({self.text})" if self.text else "empty string"
        if self.kind == "number":
            return f"numeric({self.text})"
        names = {"incomplete": "incomplete string", "end": "end of filter"}
        return names.get(self.kind) or (self.kind if self.kind in "<>" else f"'{self.kind}'")


def parse_filters(text: str) -> Filter:
    """The filter behind a `filters` string; empty for an empty string.

    Raises:
        AlgoliaError: 400 with the column of the first token that does not fit.
    """
    return _Parser(text).parse() if text.strip() else ()


def _lex(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while found := _TOKEN.match(text, at):
        kind = found.lastgroup or ""
        word = found[kind]
        tokens.append(_token(kind, word, found.start(kind)))
        at = found.end()
        if kind == "open":
            return tokens
    tokens.append(_Token("end", "", len(text)))
    return tokens


def _token(kind: str, word: str, column: int) -> _Token:
    if kind == "quoted":
        return _Token("string", re.sub(r"\\([\\\"'])", r"\1", word[1:-1]), column)
    if kind == "open":
        return _Token("incomplete", word, column)
    if kind == "bare" and word not in _KEYWORDS:
        return _Token("number" if _NUMBER.match(word) else "string", word, column)
    return _Token(word, word, column)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _lex(text)
        self._at = 0
        self._depth = 0

    def parse(self) -> Filter:
        groups = self._conjunction()
        if self._peek().kind != "end":
            self._unexpected("end of filter")
        return groups

    def _peek(self, ahead: int = 0) -> _Token:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def _take(self, *kinds: str) -> _Token | None:
        token = self._peek()
        if token.kind not in kinds:
            return None
        self._at += 1
        return token

    def _expect(self, name: str, *kinds: str) -> _Token:
        token = self._take(*kinds)
        if token is None or (token.kind == "string" and not token.text):
            self._at -= 0 if token is None else 1
            self._unexpected(name)
        return token

    def _unexpected(self, expected: str) -> NoReturn:
        token = self._peek()
        _refuse(f"Unexpected token {token} expected {expected} at col {token.column}")

    def _conjunction(self) -> Filter:
        groups = self._disjunction()
        while self._take("AND"):
            groups += self._disjunction()
        return groups

    def _disjunction(self) -> Filter:
        operands = [self._operand()]
        while self._take("OR"):
            operands.append(self._operand())
        if len(operands) == 1:
            return operands[0]
        if any(len(groups) > 1 for groups in operands):
            _refuse("filter (X AND Y) OR Z is not allowed, only (X OR Y) AND Z is allowed")
        terms: Group = tuple(term for groups in operands for term in groups[0])
        first = _kind(terms[0])
        if any(_kind(term) != first for term in terms):
            _refuse(f"Different types are not allowed in the same OR.\n{_KINDS[first]}")
        return (terms,)

    def _operand(self) -> Filter:
        if not self._take("("):
            return ((self._term(),),)
        self._depth += 1
        if self._depth > DEPTH_MAX:
            _refuse(f"More than {DEPTH_MAX} nested parentheses are not allowed")
        groups = self._conjunction()
        if not self._take(")"):
            self._unexpected("')'")
        self._depth -= 1
        return groups

    def _term(self) -> Term:
        negated = self._take("NOT") is not None
        name = self._expect("filter", "string", "number").text
        if self._take(":"):
            return self._after_colon(name, negated=negated)
        if self._peek().kind == "<" and self._peek(1).text == "score":
            return FacetTerm(attribute="_tags", value=name, negated=negated, score=self._score())
        if operator := self._take("=", "!=", "<", "<=", ">", ">="):
            value = float(self._expect("numeric", "number").text)
            sign: Operator = operator.kind  # type: ignore[assignment]  # one of the operators taken above
            return NumericTerm(attribute=name, operator=_NEGATED[sign] if negated else sign, value=value)
        return FacetTerm(attribute="_tags", value=name, negated=negated)

    def _after_colon(self, name: str, *, negated: bool) -> Term:
        value = self._expect("string", "string", "number")
        if value.kind == "number" and self._take("TO"):
            upper = float(self._expect("numeric", "number").text)
            low = float(value.text)
            return NumericTerm(attribute=name, operator="TO", value=low, upper=upper, negated=negated)
        score = self._score() if self._peek().kind == "<" else 1
        return FacetTerm(attribute=name, value=value.text, negated=negated, score=score)

    def _score(self) -> int:
        self._expect("'<'", "<")
        if self._peek().text != "score":
            self._unexpected("score")
        self._at += 1
        self._expect("'='", "=")
        score = checked_score(self._expect("numeric", "number").text, "filters")
        self._expect("'>'", ">")
        return score


def _kind(term: Term) -> str:
    if isinstance(term, NumericTerm):
        return "numeric"
    return "tag" if term.attribute == "_tags" else "facet"


def _refuse(message: str) -> NoReturn:
    raise AlgoliaError(f"filters: {message}", status=400)
