"""Whether each visitor's evidence carries one-to-one personalization, by the rules and in the words of `readiness`."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from algosync.profiles.readiness import COUNTS, ReadinessRules


def readiness(visitors: ir.Table, rules: ReadinessRules) -> ir.Table:
    """(person, ready, reason); the reason names each threshold that is not met, or all that was counted."""
    table = visitors.mutate(values=visitors["values"].fill_null(0))
    missing = ibis.literal("")
    for column, rule, words in COUNTS:
        least = getattr(rules, rule)
        text = ibis.literal(", ") + _text(table[column]) + f" of {least} {words}"
        missing = missing + ibis.ifelse(table[column] < least, text, "")
    short = (table.active_seconds < rules.min_seconds) & (table.sessions < rules.min_sessions)
    duration = ibis.literal(", ") + _text(table.active_seconds) + f" of {rules.min_seconds} s and "
    duration = duration + _text(table.sessions) + f" of {rules.min_sessions} sessions"
    table = table.mutate(missing_=missing + ibis.ifelse(short, duration, ""))
    enough = [_text(table[column]) + f" {words}, " for column, _, words in COUNTS]
    found = enough[0] + enough[1] + enough[2] + _text(table.active_seconds) + " s, " + _text(table.sessions)
    ready = table.missing_ == ""
    reason = ibis.ifelse(ready, found + " sessions", table.missing_.substr(2))
    return table.select("person", ready=ready, reason=reason)


def _text(column: ir.Value) -> ir.Value:
    return column.cast("string")
