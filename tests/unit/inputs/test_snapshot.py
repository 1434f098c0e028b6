from __future__ import annotations

import subprocess
import sys

import pytest

from daydreaming.errors import StoreError
from daydreaming.inputs.load import load_inputs
from daydreaming.inputs.params import ExperimentParams
from daydreaming.inputs.snapshot import Inputs
from daydreaming.store.input_copy import copy_inputs, read_inputs_copy


@pytest.fixture
def inputs(root) -> Inputs:
    return load_inputs(root, ExperimentParams(k_max=2))


def test_inputs_survive_json(inputs):
    again = Inputs.from_json(inputs.to_json())
    assert again == inputs
    assert again.digest == inputs.digest


def test_another_parameter_gives_another_digest(root, inputs):
    assert load_inputs(root, ExperimentParams(k_max=3)).digest != inputs.digest


@pytest.mark.parametrize("stage", ["generation", "evaluation"])
@pytest.mark.parametrize("kind", ["template", "model"])
def test_what_was_not_selected_is_told(inputs, stage, kind):
    first = getattr(inputs, f"{stage}_{kind}s")[0]
    look_up = getattr(inputs, f"{stage}_{kind}")
    assert look_up(first.template_id if kind == "template" else first.id) == first
    with pytest.raises(StoreError, match=rf"have no {stage} {kind} 'x', which its plan names\. .* rebuild"):
        look_up("x")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"params": {}, "concepts": [{"x": 1}]}'])
def test_damaged_json_is_refused(text):
    with pytest.raises(StoreError, match="frozen inputs of the run cannot be read"):
        Inputs.from_json(text)


def test_the_copy_holds_what_was_selected_and_can_be_loaded_again(inputs, tmp_path):
    target = tmp_path / "copy" / "01_raw"
    for _ in range(2):
        copy_inputs(inputs, target)
    assert read_inputs_copy(target, inputs.digest) == inputs
    assert load_inputs(target.parent, ExperimentParams(k_max=2)) == inputs
    assert not (target / "concepts/descriptions-sentence/dream.txt").exists()
    assert 'description_level: "paragraph"' in (target / "experiment.yaml").read_text()
    assert not [p for p in target.rglob("*") if p.name.startswith(".")]


def test_a_missing_copy_is_refused(tmp_path):
    with pytest.raises(StoreError, match="frozen inputs of the run cannot be read"):
        read_inputs_copy(tmp_path, "0" * 64)


@pytest.mark.parametrize(
    "module",
    [
        "inputs.snapshot",
        "inputs.choices",
        "design.cells",
        "prompts.render",
        "store.input_copy",
        "store.combo_mappings",
    ],
)
def test_what_every_task_imports_stays_light(module):
    code = (
        f"import sys, daydreaming.{module}\n"
        "print([m for m in ('pandas', 'pydantic', 'sqlalchemy', 'yaml', 'airflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
