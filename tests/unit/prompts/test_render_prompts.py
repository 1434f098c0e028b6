from __future__ import annotations

import pytest

from daydreaming.errors import InputError
from daydreaming.prompts.render import compile_template, render_evaluation, render_generation

CONCEPTS = [{"name": "A", "content": "first"}, {"name": "B", "content": "{{ 7 * 7 }}"}]


def test_a_generation_sees_concepts_in_order():
    text = "{% for c in concepts %}{{ loop.index }}. {{ c.name }}: {{ c.content }}\n{% endfor %}"
    assert render_generation(text, CONCEPTS) == "1. A: first\n2. B: {{ 7 * 7 }}\n"


def test_an_essay_is_never_read_as_a_template():
    assert render_evaluation("<{{ response }}>", "{% for x in y %}{{ z }}") == "<{% for x in y %}{{ z }}>"


def test_one_newline_at_the_end_is_dropped():
    assert render_evaluation("{{ response }}\n\n", "x") == "x\n"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ concepts|map(attribute='name')|join(', ') }}", "A, B"),
        ("{{ concepts|length }}{{ concepts[0].name.lower() }}", "2a"),
        ("{% set n = concepts|length * 2 %}{{ n }}", "4"),
        ("{% macro m(c) %}<{{ c.name }}>{% endmacro %}{{ m(concepts[0]) }}", "<A>"),
        ("{% for c in concepts %}{{ loop.cycle('x', 'y') }}{% endfor %}", "xy"),
        ("{{ '-' * 5 }}{{ 7 % 4 }}{{ 2 ** 5 }}", "-----332"),
        ("{{ missing|default('none') }}", "none"),
        ("{{ '<&>' }}", "<&>"),
    ],
)
def test_what_prompts_need_works(template, expected):
    assert render_generation(template, CONCEPTS) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ nothing }}", "'nothing' is undefined"),
        (
            "\n\n{{ concepts[0].contnet }}",
            "line 3: cannot be rendered: 'dict object' has no attribute 'contnet'",
        ),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ ''['__class__'] }}", "unsafe"),
        ("{{ concepts|map(attribute='__class__')|list }}", "unsafe"),
        ("{{ concepts|map(attribute='name') }}", "shows a generator, which is no text"),
        ("{{ concepts[0].get }}", "which is no text"),
        ("{{ cycler.__init__.__globals__ }}", "unsafe"),
        ("{{ cycler('a') }}", "'cycler' is undefined"),
        ("{{ lipsum() }}", "'lipsum' is undefined"),
        ("{{ range.__class__ }}", "unsafe"),
        ("{{ self._TemplateReference__context }}", "unsafe"),
        ("{% for c in concepts %}{{ loop._iterable }}{% endfor %}", "unsafe"),
        ("{{ '{0.__class__}'.format(concepts) }}", "unsafe"),
        ("{{ '{x}'.format_map(concepts[0]) }}", "unsafe"),
        ("{{ '%999999999d' % 1 }}", "join texts with ~"),
        ("{{ concepts.append(1) }}", "unsafe"),
        ("{{ 'a' * 10**9 }}", "repeating a text or list may make at most"),
        ("{{ 10**9 * ['a'] }}", "repeating a text or list may make at most"),
        ("{{ 9**9**9 }}", "too large"),
        ("{{ 'a'.center(10**9) }}", "unsafe"),
        ("{{ (1).to_bytes(99, 'big') }}", "unsafe"),
        ("{% for i in range(10**9) %}x{% endfor %}", "range.. may count to 10,000"),
        ("{% for i in range(9999) %}{{ 'x' * 9999 }}{% endfor %}", "more than 10,000,000 characters"),
        ("{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}", "recursion"),
        ("{% include 'other' %}", "no loader"),
        ("{{ 1 / 0 }}", "division by zero"),
    ],
)
def test_a_template_cannot_leave_the_sandbox(template, message):
    with pytest.raises(InputError, match=message):
        render_generation(template, CONCEPTS)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("ok\n{% if %}", "line 2: does not compile"),
        ("{{ x|center(1000000000) }}", "No filter named 'center'"),
        ("{{ x|random }}", "No filter named 'random'"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nested too deeply"),
    ],
)
def test_a_template_that_does_not_compile_says_where(template, message):
    with pytest.raises(InputError, match=message):
        compile_template(template)


def test_nothing_is_evaluated_at_compile_time():
    compile_template("{{ '" + "a" * 50_000 + "'|replace('a', '" + "b" * 50_000 + "') }}")


def test_a_template_is_compiled_once():
    assert compile_template("{{ response }}") is compile_template("{{ response }}")
