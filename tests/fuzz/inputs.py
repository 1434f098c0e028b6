"""Targets: what people write (tables, experiments, parameters, templates)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from tests.fuzz.base import check_lines, inputs_root, text_of

# Tables


def _tables() -> Mapping[str, type]:
    from daydreaming.inputs.concepts import ConceptRow
    from daydreaming.inputs.llm_models import ModelRow
    from daydreaming.inputs.templates import EvaluationTemplateRow, GenerationTemplateRow

    return {
        "concepts/concepts_metadata.csv": ConceptRow,
        "generation_templates.csv": GenerationTemplateRow,
        "evaluation_templates.csv": EvaluationTemplateRow,
        "llm_models.csv": ModelRow,
    }


def run_csv(data: bytes) -> None:
    """The first byte says which table the rest is."""
    from daydreaming.inputs.choices import form_choices
    from daydreaming.inputs.tables import read_table

    which, data = data[0] % 4 if data else 0, data[1:]
    name, row_type = list(_tables().items())[which]
    path = inputs_root() / "01_raw" / name
    path.write_bytes(data)
    problems: list[str] = []
    table = read_table(path, name, row_type, problems)
    check_lines(problems)
    assert table is not None or problems
    for row in table.rows.values() if table else ():
        # A row that is taken can be frozen.
        json.dumps(row.model_dump(), allow_nan=False, ensure_ascii=False).encode()
    form_choices(inputs_root())


CSV_SEEDS = (
    '0concept_id,name,active\nmoat,Economic moat,true\nx-1,"a, b",FALSE\n',
    "1template_id,template_name,description,active,parser\nessay,Essay,Plain,true,whole\n",
    "2template_id,template_name,description,active,parser,score_min,score_max\nr,R,D,true,strict,0,9\n",
    (
        "3id,model,provider,display_name,for_generation,for_evaluation,specialization,conn_id,pool,rpm,tpm,rpd,"
        "usd_per_1m_input,usd_per_1m_output,extra_body,active\n"
        'a,m,p,d,true,false,s,c,l,1,,5,0.1,2,"{""seed"": 1}",true\n'
    ),
)


# Experiments


def run_yaml(data: bytes) -> None:
    """The file ``demo.yaml``."""
    from daydreaming.errors import InputError
    from daydreaming.inputs.params import nightly_experiments, resolve_params

    folder = inputs_root() / "experiments"
    (folder / "demo.yaml").write_bytes(data)
    try:
        params = resolve_params({"experiment": "demo"}, folder)
    except InputError as error:
        check_lines(error.problems)
    else:
        params.model_dump_json()
    _, problems = nightly_experiments(folder)
    check_lines(problems)


def run_conf(data: bytes) -> None:
    """The ``conf`` of a run, as REST takes it; then what the run would read and freeze."""
    from daydreaming.errors import InputError
    from daydreaming.inputs import load
    from daydreaming.inputs.params import resolve_params
    from daydreaming.store.files import DataRoot

    try:
        conf = json.loads(text_of(data))
    except (ValueError, RecursionError):
        return
    conf = conf if isinstance(conf, dict) else {"k_max": conf}
    root = inputs_root()
    try:
        params = resolve_params(conf, root / "experiments")
        # These templates are good, and their trial starts a process each time.
        with patch.object(load, "trial_render", lambda jobs: []):
            load.load_inputs(root, params).to_json().encode()
    except InputError as error:
        check_lines(error.problems)
        return
    data_root = Path("/data")
    files = DataRoot(data_root)
    experiment_id = params.experiment_id or "made"
    for place in (files.tasks(experiment_id), files.parsing(experiment_id), files.summary(experiment_id)):
        written = Path(os.path.normpath(place))
        assert data_root in written.parents, place
        assert written.name == experiment_id, place


YAML_SEEDS = (
    "k_max: 2\nconcepts: [search, moat]\ngeneration_temperature: 0.5\nschedule: nightly\n",
    "# A question\nexperiment_id: a-1\ngeneration_models:\n  - free\n  - paid\ndry_run: true\n",
    "a: &a [x, x]\nconcepts: *a\n",
    "k_max: !!int '3'\n? [a]\n: {b: .inf}\n",
)
CONF_SEEDS = (
    '{"k_max": 2, "concepts": ["search", "moat"], "experiment_id": "x"}',
    '{"experiment": "demo", "max_cost_usd": 1.5, "on_stale": "reuse", "rejudge": false}',
    '{"experiment_id": "../x", "generation_replicates": 2, "evaluation_max_tokens": NaN}',
)


def param_words() -> tuple[str, ...]:
    from daydreaming.inputs.params import PARAM_NAMES

    return (*PARAM_NAMES, "search", "moat", "demo", "paragraph", "reuse", "../", "null", "true", "1e999")


YAML_WORDS = (
    "!!int ",
    "!!float ",
    "!!bool ",
    "!!timestamp ",
    "!!binary ",
    "!!set ",
    "!!omap ",
    "!!map ",
    "<<: ",
)
YAML_WORDS += (
    "&a ",
    "*a",
    "? ",
    "- ",
    ": ",
    "|\n",
    ">\n",
    "0x",
    "0b",
    "1:1",
    ".nan",
    ".inf",
    "2001-01-01",
    "---\n",
)


# Templates


class _TooLong(BaseException):
    """Where `trial_render` would kill the process."""


@contextmanager
def _two_seconds() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _TooLong

    signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, 2.0)
    try:
        with contextlib.suppress(_TooLong):
            yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def run_template(data: bytes) -> None:
    """What the trial does with a template, here without its process: compile it, render it once."""
    from daydreaming.prompts.trial import check_template

    text = data.decode("utf-8", "replace")
    concepts = [{"name": "A", "content": "a b"}, {"name": "B", "content": "b"}]
    for variables in ({"concepts": concepts}, {"response": "An essay."}):
        with _two_seconds():
            problem = check_template(text, variables)
            if problem:
                check_lines([problem])


TEMPLATE_SEEDS = (
    "{% for c in concepts %}## {{ loop.index }}. {{ c.name }}\n{{ c.content|trim }}{% endfor %}",
    "{% set s = response|replace('a', 'b') %}{{ s[:100]|upper }}{% if s|length > 3 %}x{% endif %}",
    "{% macro m(a) %}{{ a * 3 }}{% endmacro %}{{ m('x') ~ range(3)|join(',') }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os }}{% raw %}{{ x }}{% endraw %}{# c #}",
    "{{ concepts|map(attribute='name')|list }}{% call(x) m(1) %}{% endcall %}",
    "{% filter upper %}a{% endfilter %}",
)
TEMPLATE_WORDS = ("{{ ", " }}", "{% ", " %}", "{# ", " #}", "for ", " in ", "if ", "elif ", "else", "endfor")
TEMPLATE_WORDS += (
    "endif",
    "set ",
    "macro ",
    "endmacro",
    "block ",
    "range(",
    "concepts",
    "response",
    "|attr(",
    "loop",
)
TEMPLATE_WORDS += (
    "__class__",
    "__init__",
    "__globals__",
    "self",
    "caller",
    "|map(",
    "|join",
    "|groupby(",
    "'a'",
    "**",
)
TEMPLATE_WORDS += (
    "1e999",
    "9999",
    "|replace(",
    "recursive",
    "import ",
    "include ",
    "extends ",
    "namespace(",
    "do ",
)
