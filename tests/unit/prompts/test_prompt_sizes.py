from __future__ import annotations

from itertools import combinations

import pytest

from daydreaming.prompts.render import render_evaluation, render_generation
from daydreaming.prompts.sizes import EvaluationPromptSize, evaluation_prompt_size, generation_prompt_bytes

CONCEPTS = {f"c{i}": {"name": f"Name {i}", "content": "Gedächtnis 記憶 " * (i * i)} for i in range(1, 13)}
#: 495: so many that not all are rendered.
CHOSEN = list(combinations(sorted(CONCEPTS), 4))


@pytest.mark.parametrize(
    "template",
    [
        "{% for c in concepts %}{{ loop.index }}. {{ c.name }}: {{ c.content }}\n{% endfor %}",
        "Only {{ concepts[0].name }} and {{ concepts[3].content|upper }}",
        "no concept at all",
        # no sums of parts: whatever is longest, what two have together, what fails for some
        "{{ concepts|map(attribute='content')|join|truncate(120, true) }}",
        "{% if concepts|map(attribute='content')|join|length > 700 %}{{ concepts[1].content }}{% endif %}",
        "{{ concepts|sort(attribute='content')|map(attribute='name')|first }}",
    ],
)
@pytest.mark.parametrize("count", [1, 20, len(CHOSEN)])
def test_sizes_are_those_of_the_rendered_prompts(template, count):
    chosen = CHOSEN[:count]
    rendered = [render_generation(template, [CONCEPTS[c] for c in ids]) for ids in chosen]
    assert generation_prompt_bytes(template, CONCEPTS, chosen) == [len(text.encode()) for text in rendered]


def test_a_prompt_that_cannot_be_rendered_has_no_size():
    template = "{% if concepts[0].name == 'Name 1' %}{{ concepts[9].name }}{% endif %}ok"
    assert generation_prompt_bytes(template, CONCEPTS, [("c1", "c2"), ("c2", "c3")]) == [0, 2]


def test_a_plan_without_combinations_has_no_sizes():
    assert generation_prompt_bytes("x", CONCEPTS, []) == []


@pytest.mark.parametrize(
    ("template", "frame", "uses"),
    [
        ("Judge:\n{{ response }}\nScore it.", 17, 1),
        ("{{ response }} / {{ response }}", 3, 2),
        ("Nothing of it.", 14, 0),
        ("{{ response|upper|trim }}", 0, 1),
    ],
)
def test_an_evaluation_template_holds_the_essay_so_many_times(template, frame, uses):
    assert evaluation_prompt_size(template) == EvaluationPromptSize(frame, uses)


@pytest.mark.parametrize(
    "template", ["{{ response[:300] }}", "{{ response }}{{ response[:10] }}", "{{ response|truncate(99) }}"]
)
@pytest.mark.parametrize("essay", ["x" * 5_000, "記" * 5_000, "Ein Satz. " * 20])
def test_a_template_that_cuts_the_essay_gets_no_smaller_size_than_its_prompt(template, essay):
    size = evaluation_prompt_size(template).bytes_with(len(essay.encode()))
    assert size >= len(render_evaluation(template, essay).encode())


def test_a_template_that_wants_an_essay_of_a_certain_form_is_taken_to_hold_it_once():
    template = "{{ response.split('# Essay')[1] }} – judge it"
    assert evaluation_prompt_size(template) == EvaluationPromptSize(len(template.encode()), 1)
