from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from daydreaming.llm.request import ChatRequest

REQUEST = ChatRequest("prov/model", "Combine ä and b.", 0.7, 100, {"seed": 1, "provider": {"sort": "price"}})


def test_the_prompt_hash_is_over_its_utf_8_bytes():
    assert REQUEST.prompt_sha256 == hashlib.sha256("Combine ä and b.".encode()).hexdigest()


def test_parameters_are_all_but_the_prompt():
    assert REQUEST.parameters() == {
        "model": "prov/model",
        "temperature": 0.7,
        "max_tokens": 100,
        "extra_body": {"seed": 1, "provider": {"sort": "price"}},
    }


def test_the_order_of_extra_fields_does_not_change_the_request():
    other = replace(REQUEST, extra_body={"provider": {"sort": "price"}, "seed": 1})
    assert other.request_hash == REQUEST.request_hash


@pytest.mark.parametrize(
    "change",
    [
        {"model": "prov/model:free"},
        {"prompt": "Combine ä and b. "},
        {"temperature": 0.71},
        {"max_tokens": 101},
        {"extra_body": {}},
        {"extra_body": {"seed": 2, "provider": {"sort": "price"}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_else_is_sent_changes_the_hash(change):
    assert replace(REQUEST, **change).request_hash != REQUEST.request_hash


def test_the_hash_stays_the_same_from_release_to_release():
    # Stored answers are found by it: another value here makes every stored answer stale.
    request = ChatRequest("m", "p", 0.7, 8192)
    assert request.request_hash == "7fea438261f4703aacc7b8cc78917af0260c507ac258b0087257b46af1bbf256"
