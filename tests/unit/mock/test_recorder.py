"""The log of requests: the latest, their bodies within a bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from algosync.mock.recorder import BODY_KEPT, RecordedRequest, Recorder


def request(body=b"", operation="batch", path="/1/x"):
    return RecordedRequest(
        operation=operation, method="POST", path=path, key="k", status=200, body=body, body_bytes=len(body)
    )


@given(sizes=st.lists(st.integers(0, 40), max_size=60), kept=st.integers(1, 20), bytes_kept=st.integers(0, 100))
def test_the_latest_requests_and_the_latest_bodies_that_fit(sizes, kept, bytes_kept):
    recorder = Recorder(kept, bytes_kept)
    for number, size in enumerate(sizes):
        recorder.append(request(b"x" * size, path=f"/{number}"))
    latest = list(enumerate(sizes))[-kept:]
    assert [(r.path, r.body_bytes) for r in recorder] == [(f"/{number}", size) for number, size in latest]
    held = [len(r.body) for r in recorder if r.body is not None]
    assert sum(held) <= bytes_kept
    assert len(recorder) == len(latest)
    with_body = [number for number, r in enumerate(recorder) if r.body]
    dropped = [number for number, r in enumerate(recorder) if r.body is None and 0 < r.body_bytes <= bytes_kept]
    assert not (with_body and dropped) or max(dropped) < min(with_body), "the oldest go first"
    if sizes and 0 < sizes[-1] <= bytes_kept:
        assert recorder[-1].body == b"x" * sizes[-1]


def test_a_huge_body_is_counted_and_not_kept():
    recorder = Recorder()
    recorder.append(request(b"x" * (BODY_KEPT + 1)))
    assert (recorder[0].body, recorder[0].body_bytes, recorder[0].json()) == (None, BODY_KEPT + 1, None)


def test_bodies_as_json_and_as_text():
    recorder = Recorder()
    for body in (b'{"a":1}', b"\xff{", b""):
        recorder.append(request(body, operation="o" if body else "empty"))
    assert recorder[0].json() == {"a": 1}
    assert [r.describe()["body"] for r in recorder] == [{"a": 1}, "\ufffd{", None]
    assert [r.body for r in recorder.of("empty")] == [b""]
    recorder.clear()
    assert list(recorder) == []
