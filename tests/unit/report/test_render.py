from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from daydreaming.report.blocks import Paragraph
from daydreaming.report.essays import ESSAY_CHARS, VERDICT_CHARS
from daydreaming.report.render import SECTIONS, made_with_of, report_html
from daydreaming.report.source import Failures, Level
from tests.support.report_source import DESIGN, ORIGIN, essay, level, make_source, nothing_yet, pair, tables

HOSTILE = (
    "\x00\u202e</blockquote></style><script>alert(1)</script><img src=//x onerror=alert(2)>{{ 7*7 }}&amp;"
)
VOID = {"meta", "img", "br", "hr", "input", "link"}


class Page(HTMLParser):
    """Tags and attributes as a browser reads them; tags must close in their order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.words = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return "".join(self.words)


def hostile_source():
    names = dict.fromkeys(("generation_template", "generation_model"), HOSTILE)
    one = essay("g" + HOSTILE, HOSTILE, **names)
    disputed = replace(one, verdicts={one.scores[0].evaluation_task_id: HOSTILE})
    rows = tables()
    rows["factor_levels"] += [level("generation_model", HOSTILE, 5.0, why=HOSTILE)]
    return make_source(
        question=HOSTILE,
        design=replace(DESIGN, concepts=[Level("a", HOSTILE)], combinations={"combo_v1_a": [HOSTILE]}),
        tables=rows,
        distributions={HOSTILE: [1.0, 2.0]},
        unscored=[(HOSTILE, 1)],
        failures=[Failures("generation", HOSTILE, "E", 1, 1, HOSTILE)],
        best=[one],
        disputed=[disputed],
        origin=replace(ORIGIN, spec=HOSTILE, made_with=HOSTILE),
    )


def test_the_report_is_one_well_formed_page_with_every_section():
    page = Page(report_html(make_source()))
    titles = [section(make_source()).title for section in SECTIONS]
    assert page.tags.count("section") == len(SECTIONS) == 14
    assert all(title in page.text for title in titles)


def test_nothing_is_run_and_nothing_is_loaded():
    text = report_html(hostile_source())
    page = Page(text)
    assert not {"script", "img", "iframe", "object", "link", "form", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert ("content", policy) in page.attributes
    assert text.index("Content-Security-Policy") < text.index("<style>")
    assert "url(" not in text
    assert "@import" not in text


def test_links_stay_within_the_file_and_tables_are_named_from_the_data_root_on():
    text = report_html(make_source())
    links = {value for name, value in Page(text).attributes if name == "href"}
    assert links
    assert all(re.fullmatch(r"#[a-z-]+", link) for link in links)
    assert "<code>06_summary/demo/factor_levels.csv</code>" in text
    assert not re.search(r"<code>[^<]*\.\./", text)


def test_texts_of_strangers_stay_text_and_what_hides_is_made_visible():
    page = Page(report_html(hostile_source()))
    assert page.text.count("\ufffd\ufffd" + HOSTILE[2:]) > 8
    assert "\x00" not in page.text
    assert "\u202e" not in page.text


def test_essays_keep_their_lines():
    text = report_html(make_source(best=[essay(text="\n  Moats.\r\n\r\nSearch.")]))
    assert '<blockquote dir="auto">\n  Moats.\n\nSearch.</blockquote>' in text
    assert "white-space:pre-wrap" in text


def test_a_long_essay_and_a_long_verdict_are_cut_where_the_report_says():
    one = essay(text="x" * (ESSAY_CHARS + 5), verdicts={"g1_rigor_kind": "y" * (VERDICT_CHARS + 1)})
    text = report_html(make_source(disputed=[one], best=[]))
    assert "x" * ESSAY_CHARS + "<" in text
    assert "y" * VERDICT_CHARS + "<" in text
    assert "Cut after 20,000 of 20,005 characters." in text
    assert "Cut after 4,000 of 4,001 characters." in text
    assert "Cut after" not in report_html(make_source(best=[essay(text="x" * ESSAY_CHARS)]))


def test_an_essay_whose_file_is_gone_is_named_all_the_same():
    assert (
        "The file of this essay is missing." in Page(report_html(make_source(best=[essay(text=None)]))).text
    )


def test_the_same_source_gives_the_same_bytes():
    assert report_html(make_source()) == report_html(make_source())


def test_what_it_was_made_with_can_be_read_back():
    origin = replace(ORIGIN, made_with='Python "3.11" & <numpy>')
    assert made_with_of(report_html(make_source(origin=origin))) == 'Python "3.11" & <numpy>'
    assert made_with_of("<html></html>") is None


@pytest.mark.parametrize("section", SECTIONS, ids=lambda s: s.__name__)
def test_a_section_without_data_says_what_it_waits_for(section):
    made = section(nothing_yet())
    waits = [b.text for b in made.blocks if isinstance(b, Paragraph) and b.tone == "waiting"]
    if made.key in {"question", "design", "missing"}:
        assert waits == []
    else:
        assert waits
        assert any("wait" in text or "none scored yet" in text or "No answer has" in text for text in waits)


def test_ten_thousand_levels_and_pairs_stay_far_below_5_megabytes():
    many = [
        level("combo_id", f"combo_v1_{i:012}", i % 10, ci_low=0, ci_high=1, why="w" * 50) for i in range(9000)
    ]
    pairs = [pair("generation_template", f"t{i}", f"u{i}", i / 100, 0.5) for i in range(9000)]
    rows = {**tables(), "factor_levels": tables()["factor_levels"] + many, "paired_comparisons": pairs}
    design = replace(DESIGN, combinations={f"combo_v1_{i:012}": ["A concept"] * 4 for i in range(9000)})
    long = [essay(f"g{i}", "\u20ac<" * ESSAY_CHARS) for i in range(5)]
    source = make_source(
        tables=rows,
        design=design,
        best=long,
        disputed=long,
        distributions={f"judge{i}": [float(i % 11)] * 250 for i in range(40)},
    )
    text = report_html(source)
    assert len(text.encode()) < 3_000_000
    assert "8,901 more in factor_levels.csv" in text
    assert "8,950 more in paired_comparisons.csv" in text


def test_dark_is_for_screens_and_paper_stays_white():
    text = report_html(make_source())
    assert "@media screen and (prefers-color-scheme:dark)" in text
    assert "@media print" in text
