"""One look holds for a turn of the event loop, and no longer: what was acknowledged before is seen by what follows."""

from __future__ import annotations

import asyncio
import threading

from algosync.serve.turns import Turns


def test_a_turn_is_one_until_the_loop_goes_on():
    turns = Turns()

    async def look() -> list[object]:
        seen = [turns.now(), turns.now()]
        await asyncio.sleep(0)
        return [*seen, turns.now()]

    first, same, later = asyncio.run(look())
    assert first is same
    assert later is not first
    assert asyncio.run(look())[0] is not later


def test_what_was_read_after_a_look_is_answered_in_a_later_turn():
    turns, seen = Turns(), list[object]()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: seen.append(turns.now()))
        loop.call_soon(lambda: seen.append(turns.now()))
        # As a request that is read while those two are being answered.
        loop.call_soon(lambda: loop.call_soon(lambda: seen.append(turns.now())))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert seen[0] is seen[1]
    assert seen[2] is not seen[0]


def test_nobody_outside_of_the_loop_is_in_a_turn():
    turns, seen = Turns(), list[object]()
    assert turns.now() is not turns.now()
    assert not turns.at_end(list)

    async def main() -> object:
        now = turns.now()
        thread = threading.Thread(target=lambda: seen.extend([turns.now(), turns.at_end(list)]))
        thread.start()
        thread.join()
        return now

    assert seen[:1] != [asyncio.run(main())]
    assert seen[1] is False


def test_a_loop_that_was_left_in_the_midst_of_a_turn_has_ended_it():
    turns, ended = Turns(), list[str]()
    left = asyncio.new_event_loop()

    async def begin() -> object:
        turns.at_end(lambda: ended.append("first"))
        return turns.now()

    before = left.run_until_complete(begin())
    left.close()
    assert turns.now() is not before

    async def again() -> object:
        return turns.now()

    assert asyncio.run(again()) is not before
    assert ended == ["first"]
