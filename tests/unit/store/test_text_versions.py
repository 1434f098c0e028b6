"""Texts of an experiment, on both databases: which there are, and when one of them has changed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from daydreaming.store.results import delete_responses, upsert_responses
from daydreaming.store.schema import GenerationResponse
from daydreaming.store.text_versions import (
    AnswerVersion,
    read_answer_versions,
    read_prompt_versions,
    read_stamp,
    read_verdict_versions,
)
from tests.support.response_rows import ENDED, evaluation, generation, store_members


@pytest.fixture
def engine(results_engine):
    """Two essays and three verdicts of experiment `one`, of which two share a prompt; others of `two`."""
    essays = [
        generation("b", response_sha256="bb", prompt_sha256="same"),
        generation("a", response_sha256="aa", prompt_sha256="same", essay_error="none", parser="xml_tags"),
    ]
    store_members(results_engine, "generation", essays)
    verdicts = [
        evaluation("b2", "b", 1.0, response_sha256="22", prompt_sha256="p"),
        evaluation("b1", "b", 1.0, response_sha256="11", prompt_sha256="p"),
        evaluation("b3", "b", 1.0, response_sha256="33"),
    ]
    store_members(results_engine, "evaluation", verdicts)
    store_members(results_engine, "generation", [generation("z", prompt_sha256="z")], ("two",))
    store_members(results_engine, "evaluation", [evaluation("z1", "z", 1.0, prompt_sha256="z")], ("two",))
    return results_engine


def test_each_answer_has_its_version(engine):
    assert read_answer_versions(engine, "one") == [
        AnswerVersion("a", "aa", "xml_tags", has_essay=False),
        AnswerVersion("b", "bb", "whole", has_essay=True),
    ]
    assert read_verdict_versions(engine, "one") == [("b1", "11"), ("b2", "22"), ("b3", "33")]
    assert read_answer_versions(engine, "none") == []


def test_a_prompt_that_several_share_is_listed_once(engine):
    assert read_prompt_versions(engine, "one", "generation") == [("a", "same")]
    assert read_prompt_versions(engine, "one", "evaluation") == [("b1", "p")]


@pytest.mark.parametrize(
    "change",
    [
        lambda engine: store_members(engine, "evaluation", [evaluation("new", "b", None)]),
        lambda engine: store_members(engine, "generation", [generation("new")]),
        lambda engine: delete_responses(engine, "evaluation", ["b3"]),
        lambda engine: upsert_responses(
            engine, "evaluation", [evaluation("b3", "b", 2.0, ended_at=ENDED + timedelta(seconds=1))]
        ),
        lambda engine: upsert_responses(
            engine, "evaluation", [evaluation("b3", "b", 2.0, response_size_bytes=2)]
        ),
        lambda engine: upsert_responses(engine, "generation", [generation("a", parser="xml_tags")]),
    ],
    ids=["verdict came", "essay came", "verdict went", "answered anew", "another length", "essay found"],
)
def test_the_stamp_changes_with_what_is_there(engine, change):
    before = read_stamp(engine, "one")
    assert read_stamp(engine, "one") == before
    change(engine)
    assert read_stamp(engine, "one") != before


def test_the_stamp_is_of_one_experiment(engine):
    before = read_stamp(engine, "one")
    store_members(engine, "generation", [generation("y")], ("two",))
    with engine.begin() as connection:
        connection.execute(
            update(GenerationResponse)
            .where(GenerationResponse.generation_task_id == "z")
            .values(response_size_bytes=99)
        )
    assert read_stamp(engine, "one") == before
    assert read_stamp(engine, "none") == "0 None None 0 None None 0 None None"
