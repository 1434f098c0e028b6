from __future__ import annotations

import hashlib

import pytest

from daydreaming.design.ids import check_id, combo_id, evaluation_task_id, generation_task_id
from daydreaming.errors import DesignError


def test_combo_id_is_the_published_rule():
    digest = hashlib.sha256(b"a|b|paragraph|2").hexdigest()[:12]
    assert combo_id(["b", "a"], "paragraph", 2) == f"combo_v1_{digest}" == "combo_v1_e34ea0f62a24"


def test_combo_id_depends_on_level_and_k_max():
    ids = {combo_id(["a"], "paragraph", 1), combo_id(["a"], "article", 1), combo_id(["a"], "paragraph", 2)}
    assert len(ids) == 3


def test_replicates_from_the_second_on_are_marked_on_the_id_they_repeat():
    assert generation_task_id("c", "t", "m") == "c_t_m"
    assert generation_task_id("c", "t", "m", 2) == "c_t_m_rep2"
    assert evaluation_task_id("c_t_m_rep2", "e", "j", 3) == "c_t_m_rep2_e_j_rep3"


@pytest.mark.parametrize("value", ["a", "A.b_c-9", "rep2", "x_rep", "x_rep2y"])
def test_fit_ids_pass(value):
    check_id("template_id", value)


@pytest.mark.parametrize("value", ["", "a b", "a/b", "é", "a\n", "x_rep2", "..", "a|b", "x" * 251])
def test_unfit_ids_are_refused(value):
    with pytest.raises(DesignError, match=r"template_id must .*got .*Rename it"):
        check_id("template_id", value)
