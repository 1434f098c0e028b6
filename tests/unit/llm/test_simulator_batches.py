"""The simulator's files and batches, over loopback, through OpenAI's own client."""

from __future__ import annotations

import json

import openai
import pytest

from daydreaming.errors import InputError
from daydreaming.llm.simulator import SimulatorConfig, answer_for
from daydreaming.llm.simulator.behaviour import fails_in_batch

CALM = SimulatorConfig(seed=11, api_key="sk-simulated")
PROMPTS = [f"Combine wandering minds with moat {n}." for n in range(8)]


@pytest.fixture
def client(simulator):
    with openai.OpenAI(base_url=simulator.base_url, api_key="sk-simulated", max_retries=0) as made:
        yield made


def lines(prompts=PROMPTS, model="m", **body):
    return [
        {
            "custom_id": f"key-{index}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": model, "messages": [{"role": "user", "content": prompt}], **body},
        }
        for index, prompt in enumerate(prompts)
    ]


def create(client, found, **more):
    content = "".join(json.dumps(line) + "\n" for line in found).encode()
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    assert client.files.content(file.id).read() == content
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **more
    )


def download(client, file_id):
    if file_id is None:
        return {}
    text = client.files.content(file_id).text
    return {line["custom_id"]: line["response"] for line in map(json.loads, text.splitlines())}


def test_a_batch_answers_each_line_as_an_ordinary_call_would(client, simulator):
    batch = client.batches.retrieve(create(client, lines(), metadata={"key": "1"}).id)
    assert (batch.status, batch.error_file_id, batch.metadata) == ("completed", None, {"key": "1"})
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (
        8,
        8,
        0,
    )
    found = download(client, batch.output_file_id)
    assert {response["status_code"] for response in found.values()} == {200}
    texts = {name: r["body"]["choices"][0]["message"]["content"] for name, r in found.items()}
    assert texts == {f"key-{i}": answer_for(11, "m", prompt) for i, prompt in enumerate(PROMPTS)}
    stats = simulator.stats()
    assert stats["batches"] == {"created": 1, "completed": 1, "members": 8}
    assert (stats["calls"], stats["answered"], stats["bad_requests"]) == (8, 8, {})


def test_members_that_fail_are_in_the_error_file_and_known_beforehand(client, simulator):
    simulator.control(batch_failed=0.5)
    batch = client.batches.retrieve(create(client, lines()).id)
    config = SimulatorConfig(seed=11, batch_failed=0.5)
    failing = {f"key-{i}" for i, prompt in enumerate(PROMPTS) if fails_in_batch(config, "m", prompt)}
    assert 0 < len(failing) < len(PROMPTS)
    errors = download(client, batch.error_file_id)
    assert set(errors) == failing
    assert {(r["status_code"], r["body"]["error"]["code"]) for r in errors.values()} == {
        (500, "server_error")
    }
    assert set(download(client, batch.output_file_id)).isdisjoint(failing)
    assert batch.request_counts.failed == len(failing)
    assert simulator.stats()["models"]["m"]["unanswered"] == {"batch_failed": len(failing)}


def test_until_its_time_has_come_a_batch_is_in_progress_and_can_be_cancelled(client, simulator):
    simulator.control(batch_latency_s=3600)
    batch = create(client, lines())
    assert client.batches.retrieve(batch.id).status == "in_progress"
    assert client.batches.cancel(batch.id).status == "cancelled"
    ended = client.batches.retrieve(batch.id)
    assert (ended.status, ended.output_file_id, ended.request_counts.completed) == ("cancelled", None, 0)
    assert simulator.stats()["batches"] == {"created": 1, "cancelled": 1}
    assert simulator.stats()["calls"] == 0
    with pytest.raises(openai.ConflictError, match="Cannot cancel"):
        client.batches.cancel(batch.id)


def test_batches_are_listed_the_newest_first(client):
    made = [create(client, lines(PROMPTS[:1])).id for _ in range(2)]
    assert [batch.id for batch in client.batches.list(limit=100)][:2] == made[::-1]


def test_a_faulty_answer_is_faulty_in_a_batch_too(client, simulator):
    simulator.control(rate_truncated=1.0)
    batch = client.batches.retrieve(create(client, lines(PROMPTS[:1])).id)
    [response] = download(client, batch.output_file_id).values()
    assert response["body"]["choices"][0]["finish_reason"] == "length"


def test_a_prompt_that_is_also_asked_in_the_ordinary_way_is_a_duplicate(client, simulator):
    client.batches.retrieve(create(client, lines(PROMPTS[:1])).id)
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": PROMPTS[0]}])
    assert simulator.stats()["duplicates"] == 1


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "The input file is empty"),
        ([{"custom_id": "a"}], "Line 1 cannot be read"),
        ([*lines(PROMPTS[:1]), *lines(PROMPTS[:1])], "not unique"),
        (lines(PROMPTS[:1], stream=True), "does not stream"),
    ],
)
def test_a_batch_with_a_line_that_cannot_be_read_fails_before_it_begins(client, simulator, found, message):
    batch = create(client, found)
    assert batch.status == "failed"
    assert message in batch.errors.data[0].message
    assert simulator.stats()["calls"] == 0


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda c: c.batches.retrieve("batch_none"), openai.NotFoundError, "No batch found"),
        (lambda c: c.files.content("file-none"), openai.NotFoundError, "No such File"),
        (
            lambda c: c.batches.create(
                input_file_id="file-none", endpoint="/v1/chat/completions", completion_window="24h"
            ),
            openai.NotFoundError,
            "No such File",
        ),
        (
            lambda c: c.batches.create(input_file_id="x", endpoint="/v1/embeddings", completion_window="24h"),
            openai.BadRequestError,
            "endpoint must be",
        ),
        (lambda c: c.files.create(file=b"x", purpose="user_data"), openai.BadRequestError, "purpose batch"),
        (lambda c: c.with_options(api_key="wrong").batches.list(), openai.AuthenticationError, "API key"),
    ],
)
def test_what_cannot_be_done_is_refused(client, ask, error, message):
    with pytest.raises(error, match=message):
        ask(client)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"batch_failed": 1.5}, "batch_failed must be a share"),
        ({"batch_latency_s": -1}, "batch_latency_s must be"),
    ],
)
def test_settings_of_batches_are_checked(setting, message):
    with pytest.raises(InputError, match=message):
        SimulatorConfig(**setting)
