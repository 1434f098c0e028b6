"""A call whose model has no price in the table."""

from __future__ import annotations

import asyncio
import threading

import pytest
from airflow.triggers.base import TaskSuccessEvent

from daydreaming.llm.price_list import listed_price
from daydreaming.pipeline import pricing
from daydreaming.store.database import engine_for
from daydreaming.store.ledger import read_calls
from daydreaming.triggers.llm import LLMCallTrigger
from tests.support.experiments import edit_input, planned_run

ESSAY_PAID = 1


@pytest.fixture
def unpriced(settings, connect, simulator):
    """A planned run whose paid model has its price in the list of genai-prices alone."""
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", "prov/paid", "openai/gpt-4.1-mini")
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", ",0.15,0.6,", ",,,")
    connect(simulator.base_url)
    planned_run(settings)
    return settings


async def _events():
    async with asyncio.timeout(30):
        return [event async for event in LLMCallTrigger("run-1", "generation", ESSAY_PAID).run()]


def test_it_is_reserved_at_the_price_of_the_list_which_is_never_read_on_the_event_loop(unpriced, monkeypatch):
    readers = []

    def read(*names):
        readers.append(threading.current_thread())
        return listed_price(*names)

    monkeypatch.setattr(pricing, "listed_price", read)
    pricing._listed_price.cache_clear()
    assert [type(event) for event in asyncio.run(_events())] == [TaskSuccessEvent]
    [row] = read_calls(engine_for(unpriced))
    assert row["price_source"] == listed_price("openai/gpt-4.1-mini", "openrouter").source
    assert row["reserved_nanousd"] > 0
    assert len(readers) == 1
    assert readers[0] is not threading.main_thread()
