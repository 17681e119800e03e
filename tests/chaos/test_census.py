"""What the chaos run counts, it can count: each kind of thing that is left behind shows."""

import asyncio
import json
import socket

import pytest
from aiohttp.test_utils import make_mocked_request
from chaos.census import census
from chaos.customers import what_is_wrong


async def test_a_task_left_behind_shows() -> None:
    """It is named by its coroutine."""
    before = census()
    left = asyncio.create_task(asyncio.sleep(60))

    assert census().more_than(before) == "1 more of sleep"
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    assert not census().more_than(before)


async def test_a_request_left_behind_shows() -> None:
    """A request of a caller that something still refers to is counted."""
    before = census(collect=True)
    left = make_mocked_request("GET", "/")

    assert "more requests in memory" in census().more_than(before)
    del left
    assert not census(collect=True).more_than(before)


async def test_sockets_left_behind_show() -> None:
    """Those beyond what may be kept, where the system tells."""
    before = census()
    with socket.socket(), socket.socket():
        after = census()

    told = "" if before.sockets is None else "2 more sockets"
    assert after.more_than(before, sockets=1) == told
    assert not after.more_than(before, sockets=2)


def _body(count: int, size: int) -> bytes:
    badges = [{"earned": True, "earnCount": count}, {"earned": False, "earnCount": 0}]
    return json.dumps({"badges": badges, "page": {"size": size}}).encode()


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (_body(1007, 10), ""),
        (_body(1008, 10), "another customer's: [1008]"),
        (_body(1007, 20), "another query's: 20"),
        (b'{"badges": []}', "unreadable"),
        (b'{"badges": [], "page": {"size": 10}}', "another customer's: []"),
        (b"not JSON", "unreadable"),
    ],
)
def test_a_body_tells_whose_it_is(body: bytes, wrong: str) -> None:
    """Each customer's count and each query's size of page are its own."""
    assert what_is_wrong(body, customer=7, query=0) == wrong
