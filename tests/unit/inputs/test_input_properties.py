"""Any bytes as tables and experiments, any JSON as ``conf``: read, or refused in short lines."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daydreaming.inputs.params import PARAM_NAMES
from tests.fuzz.base import forget_files
from tests.fuzz.inputs import CONF_SEEDS, CSV_SEEDS, YAML_SEEDS, YAML_WORDS, run_conf, run_csv, run_yaml

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CELLS = st.sampled_from(
    [
        "",
        "a",
        "a_rep2",
        "..",
        "true",
        "FALSE",
        "1",
        "-1",
        "1e999",
        "nan",
        "whole",
        "strict",
        "{}",
        '"{""a"": 1e999}"',
    ]
) | st.text(max_size=6)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**9 - 1, 10**400)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["search", "moat", "..", "../x", "a\n", "\ud800", "reuse", "paragraph", "demo"])
)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=2))
NAMES = st.sampled_from([*PARAM_NAMES, "schedule", "kmax", "", "../x"])


@pytest.fixture(autouse=True, scope="module")
def _tidy():
    yield
    forget_files()


@QUICK
@given(st.integers(0, 3), st.binary(max_size=60))
def test_any_bytes_as_a_table(table, data):
    run_csv(bytes([table]) + data)


@QUICK
@given(st.sampled_from(CSV_SEEDS), st.lists(st.lists(CELLS, min_size=3, max_size=16), max_size=4))
def test_any_cells_below_a_good_header(seed, rows):
    header = seed.partition("\n")[0]
    body = "".join(",".join(cells) + "\n" for cells in rows)
    run_csv(f"{header}\n{body}".encode("utf-8", "surrogatepass"))


@QUICK
@given(
    st.binary(max_size=60) | st.lists(st.sampled_from([*YAML_SEEDS, *YAML_WORDS, *PARAM_NAMES, "x", "\n"]))
)
def test_any_text_as_an_experiment(pieces):
    run_yaml(pieces if isinstance(pieces, bytes) else "".join(pieces).encode())


@QUICK
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_any_values_in_an_experiment_written_as_json(values):
    run_yaml(json.dumps(values).encode())


@QUICK
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_any_conf(conf):
    run_conf(json.dumps(conf).encode())


@pytest.mark.parametrize("conf", CONF_SEEDS)
def test_what_the_fuzzer_begins_with(conf):
    run_conf(conf.encode())
