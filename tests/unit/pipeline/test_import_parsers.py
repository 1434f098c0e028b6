"""By which parser the answers of an imported folder are read."""

from __future__ import annotations

import pytest

from daydreaming.errors import InputError
from daydreaming.inputs.legacy_templates import LegacyTemplate
from daydreaming.pipeline.import_parsers import (
    OurTables,
    evaluation_parser,
    generation_parser,
    read_our_tables,
)
from tests.support.experiments import edit_input, make_inputs

TAGS = "<thinking>hm</thinking><essay>Idle minds search.</essay>"
HEADERS = "Thinking:\nhm\n\nEssay:\nIdle minds search.\n"
PLAIN = "Idle minds search."


@pytest.mark.parametrize(
    ("pairs", "parser"),
    [
        ([], "whole"),
        ([(TAGS, PLAIN)], "xml_tags"),
        ([(TAGS, f"\n{PLAIN}\n")], "xml_tags"),
        ([(HEADERS, PLAIN)], "section_headers"),
        ([(HEADERS, PLAIN), (HEADERS, PLAIN), (TAGS, PLAIN)], "section_headers"),
        # Where the original found no essay it took the whole answer.
        ([(PLAIN, PLAIN)], "whole"),
        ([(PLAIN, PLAIN), (TAGS, PLAIN), (TAGS, PLAIN)], "xml_tags"),
        # It cut otherwise than we would: the parser that finds essays at all.
        ([(HEADERS, "Idle minds")], "section_headers"),
        ([(PLAIN, "something else")], "whole"),
        ([("", "")], "whole"),
    ],
)
def test_essays_are_cut_by_the_parser_that_fits_what_the_original_cut(pairs, parser):
    assert generation_parser("t", OurTables(), pairs).parser == parser


@pytest.mark.parametrize(
    ("template_id", "told", "parser"),
    [
        ("creativity-metrics", "", "complex"),
        ("creativity_metrics", "", "complex"),
        ("daydreaming_verification", "", "complex"),
        ("iterative-loops", "", "complex"),
        ("scientific-rigor", "", "complex"),
        ("daydreaming-verification-v2", "", "in_last_line"),
        ("creativity-metrics-v2", "", "in_last_line"),
        ("style-coherence", "", "in_last_line"),
        # The later tables say it themselves.
        ("creativity-metrics", "in_last_line", "in_last_line"),
        ("style-coherence", "complex", "complex"),
        ("style-coherence", "magic", "in_last_line"),
    ],
)
def test_verdicts_are_read_as_the_original_read_them(template_id, told, parser):
    found = evaluation_parser(LegacyTemplate(template_id, parser=told), OurTables())
    assert (found.parser, found.scale) == (parser, (0.0, 10.0))


def test_our_tables_decide_where_they_know_the_template(tmp_path):
    ours = read_our_tables(make_inputs(tmp_path))
    rigor = evaluation_parser(LegacyTemplate("rigor", parser="complex"), ours)
    assert (rigor.parser, rigor.scale) == ("strict", (0.0, 9.0))
    # An inactive template is known as well.
    assert generation_parser("old", ours, [(TAGS, PLAIN)]).parser == "whole"
    assert ours.models["paid"] == "prov/paid"
    assert ours.names.evaluation_templates == {"rigor", "style"}


def test_without_tables_of_our_own_nothing_is_known(tmp_path):
    assert read_our_tables(tmp_path) == OurTables()


def test_a_broken_table_of_our_own_is_refused(tmp_path):
    edit_input(make_inputs(tmp_path), "01_raw/evaluation_templates.csv", "strict", "magic")
    with pytest.raises(InputError, match=r"evaluation_templates.csv, row 2: parser must be one of"):
        read_our_tables(tmp_path)
