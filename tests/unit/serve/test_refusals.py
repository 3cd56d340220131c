from __future__ import annotations

from structlog.testing import capture_logs

from algosync.errors import StoreError
from algosync.serve.refusals import Refusals


def test_the_same_trouble_of_the_state_is_logged_once_a_minute():
    seconds = [0.0]
    refusals = Refusals(ticks=lambda: seconds[0])
    locked, older = StoreError("database is locked"), StoreError("the state is of an older version")
    with capture_logs() as logged:
        for second, error in ((0, locked), (1, locked), (1, older), (59, locked), (60, locked), (61, older)):
            seconds[0] = float(second)
            assert refusals.answer(error).status_code == 503
    assert [line["error"] for line in logged] == [str(locked), str(older), str(locked), str(older)]
