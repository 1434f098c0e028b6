"""The real server in a process of its own, over loopback."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from daydreaming.errors import DaydreamingError
from daydreaming.llm.simulator import (
    Fault,
    SimulatorConfig,
    SimulatorProcess,
    answer_for,
    estimate_tokens,
    fault_for,
    score_for,
)
from daydreaming.llm.simulator.__main__ import _parser, main
from daydreaming.llm.simulator.process import flags_of

CALM = SimulatorConfig(seed=11, price=(1.0, 2.0))
PROMPT = "Combine wandering minds with economic moats: <thinking>, <essay>, <endnotes>."
JUDGE = "Judge from 0 to 9.\nSCORE: x"


@pytest.fixture
def http(simulator):
    with httpx.Client(base_url=simulator.root_url, trust_env=False) as client:
        yield client


def ask(http, prompt=PROMPT, model="m", timeout=30.0, **more):
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], **more}
    return http.post("/v1/chat/completions", json=body, timeout=timeout)


def test_an_answer_has_the_shape_of_openrouters(http):
    body = ask(http).json()
    answer = answer_for(11, "m", PROMPT)
    tokens = [estimate_tokens(PROMPT), estimate_tokens(answer)]
    assert body.pop("id").startswith("gen-")
    assert isinstance(body.pop("created"), int)
    assert body == {
        "object": "chat.completion",
        "model": "m",
        "provider": "Simulator",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": tokens[0],
            "completion_tokens": tokens[1],
            "total_tokens": sum(tokens),
            "cost": pytest.approx((tokens[0] + 2 * tokens[1]) / 1e6),
        },
    }


def test_each_attempt_has_an_id_of_its_own_and_the_same_text(http):
    first, second = ask(http).json(), ask(http).json()
    assert first["id"] != second["id"]
    assert first["choices"] == second["choices"]


def observed(http, prompt):
    """What a client sees of a call, in the terms of Fault."""
    try:
        response = ask(http, prompt)
    except httpx.RemoteProtocolError:
        return Fault.DROPPED
    if response.status_code != 200:
        return Fault(str(response.status_code))
    if response.headers["content-type"].startswith("text/html"):
        return Fault.HTML
    if "error" in response.json():
        return Fault.ERROR_BODY
    choice = response.json()["choices"][0]
    if choice["finish_reason"] == "length":
        return Fault.TRUNCATED
    text = choice["message"]["content"]
    return None if "SCORE:" in text else Fault.UNREADABLE if text else Fault.EMPTY


def test_served_faults_are_the_predicted_ones(simulator, http):
    # A timeout that hangs for no time looks like a dropped connection.
    shares = {f"rate_{fault}": 0.1 for fault in Fault}
    config = SimulatorConfig(seed=11, hang_s=0.0, retry_after_s=0, **shares)
    simulator.control(hang_s=0.0, retry_after_s=0, **shares)
    calls = [(f"{number} {JUDGE}", attempt) for number in range(60) for attempt in (1, 2)]
    predicted = [fault_for(config, "m", prompt, attempt) for prompt, attempt in calls]
    assert set(predicted) == {None, *Fault}

    seen = [observed(http, prompt) for prompt, _ in calls]

    assert seen == [Fault.DROPPED if fault is Fault.TIMEOUT else fault for fault in predicted]
    counted = simulator.stats()["models"]["m"]
    assert counted["faults"] == {fault.value: count for fault, count in Counter(predicted).items() if fault}
    assert counted["answered"] == predicted.count(None) + predicted.count(Fault.UNREADABLE)
    assert counted["status_codes"]["500"] == predicted.count(Fault.SERVER_ERROR)
    assert sum(counted["status_codes"].values()) == 120 - seen.count(Fault.DROPPED)


@pytest.mark.parametrize("fault", ["dropped", "timeout"])
def test_a_dropped_connection_ends_without_an_answer(simulator, http, fault):
    simulator.control(hang_s=0.05, **{f"rate_{fault}": 1.0})
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending a response"):
        ask(http)
    assert simulator.stats()["models"]["m"]["status_codes"] == {}


def test_a_sticky_fault_lasts_until_control_takes_it_away(simulator, http):
    simulator.control(rate_truncated=1.0, sticky=["truncated"])
    for _ in range(3):
        choice = ask(http).json()["choices"][0]
        assert choice["finish_reason"] == "length"
        assert answer_for(11, "m", PROMPT).startswith(choice["message"]["content"])
    simulator.control(rate_truncated=0.0)
    assert ask(http).json()["choices"][0]["finish_reason"] == "stop"


def test_requests_over_the_limit_are_told_when_to_come_back(simulator, http):
    simulator.control(rpm=2)
    assert [ask(http).status_code for _ in range(2)] == [200, 200]
    refused = ask(http)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["X-RateLimit-Limit"] == "2"
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert int(refused.headers["X-RateLimit-Reset"]) > 1_700_000_000_000
    error = refused.json()["error"]
    assert (error["code"], error["metadata"]["headers"]["X-RateLimit-Limit"]) == (429, "2")
    assert ask(http, model="other").status_code == 200
    assert simulator.stats()["models"]["m"]["unanswered"] == {"rpm": 1}


def test_the_window_slides(simulator, http):
    simulator.control(rpm=1, window_s=0.2)
    assert ask(http).status_code == 200
    refused = ask(http)
    while refused.status_code == 429:
        assert refused.headers["Retry-After"] == "1"
        refused = ask(http)
    assert refused.status_code == 200


def test_a_rate_429_says_how_long_to_wait(simulator, http):
    simulator.control(rate_429=1.0, retry_after_s=3)
    response = ask(http)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "3")


def test_max_tokens_is_honoured(simulator, http):
    body = ask(http, max_tokens=20).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] <= 20
    stats = simulator.stats()
    assert (stats["answered"], stats["models"]["m"]["unanswered"]) == (0, {"max_tokens": 1})


def test_counters_see_duplicates(simulator, http):
    for number in (1, 2, 2, 3, 3, 3):
        ask(http, f"{JUDGE} {number}")
    ask(http, f"{JUDGE} 1", model="n")
    stats = simulator.stats()
    assert (stats["calls"], stats["answered"], stats["prompts_answered"]) == (7, 7, 4)
    assert (stats["duplicates"], len(stats["duplicate_prompts"])) == (2, 2)
    simulator.reset()
    assert simulator.stats()["calls"] == 0


def wait_until_in_flight(simulator, count):
    while simulator.stats()["in_flight"] != count:
        time.sleep(0.02)


def test_peak_concurrency_is_what_was_in_flight_at_once(simulator):
    simulator.control(latency_s=60)

    async def ask_many_then_hang_up():
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=simulator.root_url, trust_env=False, limits=limits) as http:
            calls = [asyncio.create_task(ask(http, model=model)) for model in "aaabbbbb"]
            await asyncio.to_thread(wait_until_in_flight, simulator, 8)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(ask_many_then_hang_up())
    wait_until_in_flight(simulator, 0)
    stats = simulator.stats()
    assert stats["peak_concurrency"] == 8
    assert {name: model["peak_concurrency"] for name, model in stats["models"].items()} == {"a": 3, "b": 5}
    assert stats["models"]["a"]["unanswered"] == {"client_gone": 3}


def test_a_reset_forgets_attempts_only_when_asked(simulator, http):
    shares = {"rate_500": 0.5}
    config = SimulatorConfig(seed=11, **shares)
    prompt = next(
        prompt
        for prompt in map(str, range(100))
        if fault_for(config, "m", prompt, 1) and not fault_for(config, "m", prompt, 2)
    )
    simulator.control(**shares)
    assert ask(http, prompt).status_code == 500
    simulator.reset()
    assert ask(http, prompt).status_code == 200
    simulator.reset(attempts=True)
    assert ask(http, prompt).status_code == 500


def test_a_client_that_hangs_up_is_not_counted_as_answered(simulator, http):
    simulator.control(latency_s=30)
    with pytest.raises(httpx.ReadTimeout):
        ask(http, timeout=0.2)
    wait_until_in_flight(simulator, 0)
    assert simulator.stats()["models"]["m"]["unanswered"] == {"client_gone": 1}
    assert simulator.stats()["answered"] == 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"rate_418": 0.5}, "rate_418: no such setting"),
        ({"seed": 1}, "seed: is fixed at start"),
        ({"rate_500": 0.9, "rate_html": 0.9}, "add up to 1 at most"),
    ],
)
def test_control_refuses_what_it_does_not_know_and_changes_nothing(simulator, http, body, message):
    response = http.post("/control", json=body)
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]
    assert http.get("/control").json()["rate_500"] == 0
    with pytest.raises(DaydreamingError, match=message):
        simulator.control(**body)


def test_a_reset_refuses_what_it_does_not_know(http):
    response = http.post("/stats/reset", json={"attempt": True})
    assert response.status_code == 400
    assert "may hold" in response.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/control", "/stats/reset", "/v1/chat/completions"])
def test_a_body_that_is_no_json_is_a_bad_request(http, path):
    response = http.post(path, content=b"{nope")
    assert response.status_code == 400
    assert "not valid JSON" in response.json()["error"]["message"]


def test_bad_requests_have_openais_error_shape(simulator, http):
    response = http.post("/v1/chat/completions", json={"messages": []})
    assert response.status_code == 400
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert simulator.stats()["bad_requests"] == {"400": 1}
    assert simulator.stats()["calls"] == 0


def test_health_and_models_answer(http):
    assert http.get("/health").json() == {"status": "ok"}
    assert http.get("/v1/models").json()["data"][0]["id"] == "simulated"


def test_the_openai_client_reads_answers_and_raises_its_own_errors(simulator):
    async def talk():
        async with openai.AsyncOpenAI(base_url=simulator.base_url, api_key="none", max_retries=0) as client:

            def create(content=JUDGE):
                return client.chat.completions.create(
                    model="m",
                    messages=[{"role": "user", "content": content}],
                    temperature=0.1,
                    max_tokens=2048,
                )

            answer = await create()
            assert answer.choices[0].message.content.endswith(f"SCORE: {score_for(11, 'm', JUDGE):g}")
            assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
            assert answer.usage.cost > 0
            assert answer.provider == "Simulator"
            assert [model.id async for model in client.models.list()] == ["simulated"]

            for fault, error in (
                ("429", openai.RateLimitError),
                ("500", openai.InternalServerError),
                ("dropped", openai.APIConnectionError),
            ):
                simulator.control(rate_429=0.0, rate_500=0.0)
                simulator.control(**{f"rate_{fault}": 1.0})
                with pytest.raises(error):
                    await create()

            simulator.control(rate_dropped=0.0, rate_error_body=1.0)
            assert (await create()).error["code"] == 502
            with pytest.raises(openai.BadRequestError, match="must be a string"):
                await create(content=None)

    asyncio.run(talk())


def test_a_key_and_a_list_of_models_are_enforced():
    with (
        SimulatorProcess(SimulatorConfig(api_key="the-key", models=("a", "b/c:free"))) as simulator,
        httpx.Client(base_url=simulator.root_url, trust_env=False) as http,
    ):
        assert ask(http, model="a").status_code == 401
        assert http.get("/v1/models").status_code == 401
        http.headers["Authorization"] = "Bearer the-key"
        assert ask(http, model="a").status_code == 200
        assert [model["id"] for model in http.get("/v1/models").json()["data"]] == ["a", "b/c:free"]
        unknown = ask(http, model="z")
        assert unknown.status_code == 404
        assert unknown.json()["error"]["code"] == "model_not_found"
        assert simulator.stats()["bad_requests"] == {"401": 1, "404": 1}


def test_stop_ends_the_process_and_calls_in_flight_and_may_be_called_twice():
    process = SimulatorProcess(SimulatorConfig(latency_s=60))
    with process as simulator, httpx.Client(base_url=simulator.root_url, trust_env=False) as http:
        pid = simulator.pid
        with pytest.raises(httpx.ReadTimeout):
            ask(http, timeout=0.1)
        process.stop()
    process.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(DaydreamingError, match="is not running"):
        _ = process.base_url


def test_the_server_ends_quietly_when_its_stdin_closes():
    command = [sys.executable, "-m", "daydreaming.llm.simulator", "--until-stdin-closes"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert urlsplit(done.stdout.removeprefix("listening on ").strip()).path == "/v1"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rate-500=2"], "rate_500 must be a share between 0 and 1; got 2.0"),
        (["--sticky=teapot"], "sticky: no such fault: teapot"),
        (["--price=1"], "must be two numbers, INPUT,OUTPUT; got '1'"),
        (["--port=99999"], "cannot listen on 127.0.0.1:99999"),
        (["--port=many"], "invalid int value: 'many'"),
    ],
)
def test_wrong_flags_are_one_clear_line_and_exit_code_2(flags, message, capsys):
    with pytest.raises(SystemExit) as raised:
        main(flags)
    assert raised.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as raised:
        main(["--help"])
    assert raised.value.code == 0
    assert "--sticky truncated" in capsys.readouterr().out


def test_a_server_that_cannot_start_says_why(server):
    port = urlsplit(server.base_url).port
    with pytest.raises(
        DaydreamingError, match=rf"was not ready in 30 s\. It said: .*cannot listen on 127\.0\.0\.1:{port}"
    ):
        SimulatorProcess(CALM, port=port).start()


def test_settings_survive_the_way_through_the_command_line():
    config = SimulatorConfig(
        seed=-3,
        latency_s=0.25,
        rpm=5,
        rate_html=0.5,
        sticky=(Fault.HTML,),
        models=("-odd", "b"),
        price=(0.5, 1.5),
    )
    given = vars(_parser().parse_args(flags_of(config, 0)))
    for extra in ("host", "port", "until_stdin_closes"):
        del given[extra]
    assert SimulatorConfig(**given) == config
