"""Templates that try to leave the sandbox, never end or fill the memory: refused when they are loaded."""

from __future__ import annotations

import pytest

from daydreaming.errors import InputError
from daydreaming.inputs.load import load_inputs
from daydreaming.inputs.params import ExperimentParams
from daydreaming.prompts import trial
from daydreaming.prompts.trial import TrialJob, trial_render
from tests.support.experiments import make_inputs

CONCEPTS = {"concepts": [{"name": "A", "content": "a"}, {"name": "B", "content": "b"}]}
FORMAT = "'{0.__class__.__init__.__globals__}'"
#: By where they were published, or by the way out that they look for.
ESCAPES = {
    "CVE-2016-10745 str.format": "{{ " + FORMAT + ".format(concepts) }}",
    "CVE-2019-10906 str.format_map": "{{ '{c.__class__}'.format_map({'c': concepts}) }}",
    "CVE-2019-8341 subclasses": "{{ ''.__class__.__mro__[2].__subclasses__()[40]('/etc/passwd').read() }}",
    "CVE-2024-56326 format kept in a variable": "{% set f = " + FORMAT + ".format %}{{ f(concepts) }}",
    "CVE-2024-56326 format called by a filter": "{{ concepts|map(" + FORMAT + ".format)|list }}",
    "CVE-2024-56326 format called by a macro": (
        "{% macro m(f) %}{{ f(concepts) }}{% endmacro %}{{ m(" + FORMAT + ".format) }}"
    ),
    "CVE-2025-27516 attr filter": "{{ (" + FORMAT + "|attr('format'))(concepts) }}",
    "CVE-2025-27516 attr filter by map": "{{ [" + FORMAT + "]|map('attr', 'format')|list }}",
    "CVE-2020-28493 urlize": "{{ ('a.' * 5000)|urlize }}",
    "CVE-2024-22195 xmlattr": "{{ {'a b=': 1}|xmlattr }}",
    "CVE-2024-34064 xmlattr": "{{ {'a/onclick=x': 1}|xmlattr }}",
    "globals of cycler": "{{ cycler.__init__.__globals__ }}",
    "os of cycler": "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "globals of joiner": "{{ joiner.__init__.__globals__ }}",
    "globals of namespace": "{{ namespace.__init__.__globals__ }}",
    "globals of lipsum": "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "globals of range": "{{ range.__init__.__globals__ }}",
    "globals of a macro": "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "globals of a method": "{{ ''.upper.__self__.__class__ }}",
    "globals of the template": "{{ self.__init__.__globals__ }}",
    "context of the template": "{{ self._TemplateReference__context.eval_ctx.environment }}",
    "globals of the loop": "{% for c in concepts %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "iterable of the loop": "{% for c in concepts %}{{ loop._iterable }}{% endfor %}",
    "frame of a generator": "{{ (concepts|map('upper')).gi_frame.f_back.f_globals }}",
    "code of a generator": "{{ (concepts|select).gi_code }}",
    "builtins by name": "{{ __builtins__ }}",
    "import of a module": "{% import 'os' as os %}{{ os.popen('id') }}",
    "another template": "{% include '/etc/passwd' %}",
    "a parent template": "{% extends '../secret' %}",
    "the debug tag": "{% debug %}",
    "the do tag": "{% do concepts.append(1) %}",
    "subscript": "{{ ''['__class__'] }}",
    "subscript in parts": "{{ ''['__cla' ~ 'ss__'] }}",
    "escaped characters": "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "getattribute": "{{ ''.__getattribute__('__class__') }}",
    "a tuple's base": "{{ ().__class__.__base__.__subclasses__() }}",
    "a number's class": "{{ (1).__class__ }}",
    "a truth's class": "{{ true.__class__.__bases__ }}",
    "none's class": "{{ none.__class__ }}",
    "attribute by map": "{{ concepts|map(attribute='__class__.__init__.__globals__')|list }}",
    "attribute by selectattr": "{{ concepts|selectattr('__class__.__name__')|list }}",
    "attribute by sort": "{{ concepts|sort(attribute='__class__') }}",
    "attribute by groupby": "{{ concepts|groupby('__class__') }}",
    "attribute by sum": "{{ concepts|sum(attribute='__class__') }}",
    "attribute by join": "{{ concepts|join(attribute='__class__') }}",
    "attribute by max": "{{ (concepts|max(attribute='__class__')).name }}",
    "format filter": "{{ '%s'|format(concepts) }}",
    "formatting with %": "{{ '%(a)s' % {'a': concepts} }}",
    "change of a list": "{{ concepts.append(1) }}",
    "change of a mapping": "{{ concepts[0].update({'name': 'x'}) }}",
    "change by setdefault": "{{ concepts[0].setdefault('x', 1) }}",
    "an unsafe call kept": "{% set c = concepts[0].clear %}{{ c() }}",
    "config of a web framework": "{{ config.items() }}",
    "request of a web framework": "{{ request.application.__globals__ }}",
    "url_for of a web framework": "{{ url_for.__globals__ }}",
}
#: What Python, Jinja2 or the compiler of both cannot take; each has stopped the trial itself once, or could.
BROKEN = {
    "too many loops": "{% for a in range(2) %}" * 25 + "{% endfor %}" * 25,
    "too many conditions": "{% if 1 %}" * 200 + "{% endif %}" * 200,
    "too many branches": "{% if 1 %}" + "{% elif 1 %}" * 5_000 + "{% endif %}",
    "too many brackets": "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "too many filters": "{{ 'a'" + "|upper" * 3_000 + " }}",
    "an infinite number": "{{ 1e999 }}",
    "a number of many digits": "{{ " + "9" * 5_000 + " }}",
    "a loop into itself": "{% for i in range(99) recursive %}{{ loop(range(99)) if i else '' }}{% endfor %}",
    "a macro without end": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a block without end": "{% block a %}{{ self.a() }}{% endblock %}",
    "a power": "{{ 9 ** 9 ** 9 }}",
    "a repeated text": "{{ 'x' * 10 ** 9 }}",
    "a repeated list": "{{ [1] * 10 ** 9 }}",
    "a wide format": "{{ '%1000000000d' % 1 }}",
    "a wide text": "{{ 'x'.ljust(10 ** 9) }}",
    "a long range": "{% for i in range(10 ** 12) %}{% endfor %}",
    "a gigabyte in pieces": "{% for i in range(9999) %}{{ 'x' * 9999 }}{% endfor %}",
    "a gigabyte at once": "{% set a = 'x' * 9999 %}" + "{% set a = a ~ a %}" * 17 + "{{ a }}",
    "a gigabyte by replace": "{{ ('a' * 9999)|replace('a', 'b' * 9999)|replace('b', 'c' * 9999) }}",
    "a gigabyte of list": "{% set a = [1] * 9999 %}" + "{% set a = a + a %}" * 17 + "{{ a|length }}",
    "a long foreign name": "{{ " + "x" * 100_000 + " }}",
    "a long message": "{{ concepts['" + "x" * 100_000 + "'] }}",
}


@pytest.fixture(scope="module")
def problems():
    """What the trial says, by case: all of them in the fewest processes."""
    jobs = [TrialJob(name, text, CONCEPTS) for name, text in {**ESCAPES, **BROKEN}.items()]
    said = trial_render(jobs)
    return {name: [line for line in said if line.startswith(f"{name}: ")] for name in {**ESCAPES, **BROKEN}}


@pytest.mark.parametrize("name", [*ESCAPES, *BROKEN])
def test_the_trial_refuses_it_in_one_line(problems, name):
    (problem,) = problems[name]
    assert "\n" not in problem
    assert len(problem) < 1_000
    assert "<class" not in problem
    assert "<module" not in problem


@pytest.mark.parametrize("name", [name for name in BROKEN if "gigabyte" not in name])
def test_what_cannot_be_compiled_or_rendered_does_not_end_the_process(problems, name):
    # A process that ends says nothing of the line, and costs a start of Python.
    assert "ended the process" not in problems[name][0]


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}",
    ],
)
def test_a_template_that_does_not_end_is_ended(monkeypatch, template):
    monkeypatch.setattr(trial, "TIME_LIMIT_S", 0.5)
    (problem,) = trial_render([TrialJob("t.txt", template, CONCEPTS)])
    assert problem == "t.txt: does not finish within 0.5 s. Look for a loop that is too long."


@pytest.mark.parametrize("name", ["globals of cycler", "an infinite number", "a gigabyte at once"])
def test_nothing_starts_with_such_a_template(tmp_path, name):
    text = {**ESCAPES, **BROKEN}[name]
    root = make_inputs(tmp_path, **{"01_raw/generation_templates/essay.txt": text})
    with pytest.raises(InputError) as caught:
        load_inputs(root, ExperimentParams(k_max=2))
    (problem,) = caught.value.problems
    assert problem.startswith("01_raw/generation_templates/essay.txt")
