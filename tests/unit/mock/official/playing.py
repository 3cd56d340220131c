"""What both kinds of clients are put through."""

from __future__ import annotations

import pytest

from algosync.mock.server import MockServer

from .clients import Client, Kind, Story, publish_when_asked, run
from .methods import METHODS, SCENARIOS, Absent, promised


def play(name: str, server: MockServer, kind: Kind, *, late: bool) -> None:
    """A scenario holds, and calls what the table promises; `late`: tasks are published when asked for twice."""
    if late:
        publish_when_asked(server.algolia)
    called = run(SCENARIOS[name], server, kind)
    assert promised(SCENARIOS[name]) <= called


def refuse_absent(server: MockServer, kind: Kind) -> None:
    """Methods that the mock does not have get a 404 in JSON, with the path that was not found."""

    async def scenario(story: Story) -> None:
        await story.search.save_object("products", {"objectID": "a"})
        for api, methods in METHODS.items():
            client: Client = getattr(story, api)
            for name, absent in methods.items():
                if isinstance(absent, Absent):
                    await story.refused(absent.call(client), "", 404)
                    assert (api, name) in story.called
                    message = "Recommend rules are not part of the mock" if api == "recommend" else "Path not found: "
                    assert story.algolia.requests[-1].status == 404
                    await story.refused(absent.call(client), message, 404)

    run(scenario, server, kind)


def wait_while_the_clock_is_moved(server: MockServer, clock: list[int], kind: Kind) -> None:
    """Waiting takes as long as publishing does: readers see nothing before."""
    algolia = server.algolia

    def tick(asked: int) -> int:
        clock[0] += 40
        return 0

    async def scenario(story: Story) -> None:
        search = story.search
        written = await search.save_object("products", {"objectID": "a"})
        assert algolia.content() == {}
        with pytest.raises(Exception, match="Stopped waiting for the task after 2 retries"):
            await search.wait_for_task("products", written.task_id, timeout=tick, max_retries=2)
        assert algolia.content() == {}
        await search.wait_for_task("products", written.task_id, timeout=tick)
        assert list(story.records("products")) == ["a"]
        moved = await search.operation_index("products", {"operation": "move", "destination": "moved"})
        assert list(algolia.content()) == ["products"]
        await search.wait_for_app_task(moved.task_id, timeout=tick)
        assert list(algolia.content()) == ["moved"]

    run(scenario, server, kind)
    assert clock[0] == 40 + 80 + 120
