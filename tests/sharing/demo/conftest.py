"""What all tests of the demo need."""

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def event_loop_that_is_closed() -> Iterator[None]:
    """Gradio takes the event loop of the thread and leaves it open, which Python warns of in a later test."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)
