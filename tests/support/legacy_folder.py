"""A small data folder in the shapes of the Dagster original; every text is made up for the tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from daydreaming.design.ids import combo_id

CONCEPTS = ("idle-mind", "wide-search")
STABLE = combo_id(CONCEPTS, "paragraph", 2)
NUMBERED = "combo_001"
#: When the answers were made: the original knows it by the files alone.
MADE_AT = datetime(2025, 8, 1, 9, 30, tzinfo=UTC)

#: In the task table; every part may be ours.
PLAIN = f"{STABLE}_02_problem_solving_r1"
#: In no table; the provider's name with its slash makes a subfolder.
SLASHED = f"{NUMBERED}_synthesis-v3_deepseek/deepseek-r1:free"
SLASHED_OURS = f"{NUMBERED}_synthesis-v3_r1"
PLAIN_JUDGED = f"{PLAIN}_creativity_metrics_qwq"
SLASHED_JUDGED = f"{SLASHED}_style-v2_qwen/qwq-32b:free"
SLASHED_JUDGED_OURS = f"{SLASHED_OURS}_style-v2_qwq"
#: A judge that llm_models.csv does not have, only the older table.
OLD_JUDGE = "lab/critic:beta"
OLD_JUDGE_OURS = "lab--critic-beta"
OLD_JUDGED = f"{PLAIN}_style-v2_{OLD_JUDGE}"
OLD_JUDGED_OURS = f"{PLAIN}_style-v2_{OLD_JUDGE_OURS}"

GENERATIONS = "3_generation/generation_responses"
ESSAYS = "3_generation/parsed_generation_responses"
GENERATION_PROMPTS = "3_generation/generation_prompts"
EVALUATIONS = "4_evaluation/evaluation_responses"
EVALUATION_PROMPTS = "4_evaluation/evaluation_prompts"
GENERATION_TASKS = "2_tasks/generation_tasks.csv"
EVALUATION_TASKS = "2_tasks/evaluation_tasks.csv"
MODELS = "1_raw/llm_models.csv"
GENERATION_TEMPLATES = "1_raw/generation_templates.csv"
EVALUATION_TEMPLATES = "1_raw/evaluation_templates.csv"
MAPPINGS = "combo_mappings.csv"
RELATIONSHIPS = "2_tasks/concept_combinations_relationships.csv"

GENERATION_HEADER = "generation_task_id,combo_id,generation_template,generation_model,generation_model_name\n"
EVALUATION_HEADER = (
    "evaluation_task_id,generation_task_id,evaluation_template,evaluation_model,evaluation_model_name\n"
)
MAPPING_HEADER = "combo_id,version,concept_id,description_level,k_max,created_at\n"

#: CRLF, no line end, non-ASCII: whatever an import might be tempted to tidy.
PLAIN_ANSWER = "Minds drift;\r\nsearch goes on – naïvely.\n\n  "
SLASHED_ANSWER = "Thinking:\nwhat to say?\n\nEssay:\nIdle minds search.\n\nEndnotes:\nnone\n"
SLASHED_ESSAY = "Idle minds search.\n"

FILES: Mapping[str, str] = {
    "1_raw/concepts/concepts_metadata.csv": (
        "concept_id,name,active\nidle-mind,Idle mind,True\nwide-search,Wide search,False\n"
    ),
    "1_raw/concepts/descriptions-paragraph/idle-mind.txt": "A mind with nothing to do.\n",
    "1_raw/concepts/descriptions-sentence/wide-search.txt": "Look everywhere.\n",
    MODELS: (
        "id,model,provider,display_name,for_generation,for_evaluation,specialization\n"
        'r1,deepseek/deepseek-r1:free,deepseek,"R1 (Free)",true,false,reasoning\n'
        "qwq,qwen/qwq-32b:free,qwen,QwQ,false,true,reasoning\n"
    ),
    "1_raw/evaluation_models.csv": (
        f"model_name,model_short,evaluation_strength,active\n{OLD_JUDGE},critic,general,true\n"
    ),
    GENERATION_TEMPLATES: (
        "template_id,template_name,description,active\n"
        "02_problem_solving,Problem solving,Solve it,true\n"
        "synthesis-v3,Synthesis V3,,false\n"
    ),
    "1_raw/generation_templates/02_problem_solving.txt": "Solve with {{ concepts }}.\n",
    "1_raw/generation_templates/synthesis-v3.txt": "Bring {{ concepts }} together.\n",
    EVALUATION_TEMPLATES: (
        "template_id,template_name,description,active\n"
        "creativity_metrics,Creativity,,true\n"
        "style-v2,Style,,true\n"
    ),
    "1_raw/evaluation_templates/creativity_metrics.txt": "How new is {{ response }}?\n",
    "1_raw/evaluation_templates/style-v2.txt": "How good is {{ response }}?\n",
    GENERATION_TASKS: (
        f"{GENERATION_HEADER}{PLAIN},{STABLE},02_problem_solving,r1,deepseek/deepseek-r1:free\n"
    ),
    EVALUATION_TASKS: (
        f"{EVALUATION_HEADER}{PLAIN_JUDGED},{PLAIN},creativity_metrics,qwq,qwen/qwq-32b:free\n"
    ),
    MAPPINGS: (
        f"{MAPPING_HEADER}{STABLE},v1,idle-mind,paragraph,2,2025-08-01T09:00:00\n"
        f"{STABLE},v1,wide-search,paragraph,2,2025-08-01T09:00:00\n"
    ),
    RELATIONSHIPS: (f"combo_id,concept_id,position\n{NUMBERED},idle-mind,1\n{NUMBERED},wide-search,2\n"),
    f"{GENERATIONS}/{PLAIN}.txt": PLAIN_ANSWER,
    f"{GENERATION_PROMPTS}/{PLAIN}.txt": "Solve with idle minds.\n",
    f"{GENERATIONS}/{SLASHED}.txt": SLASHED_ANSWER,
    f"{ESSAYS}/{SLASHED}.txt": SLASHED_ESSAY,
    f"{EVALUATIONS}/{PLAIN_JUDGED}.txt": "**Total Score: 7/10**\n\nMore.\nAnd more.\nAnd more.\nEnd.\n",
    f"{EVALUATION_PROMPTS}/{PLAIN_JUDGED}.txt": "How new is it?\n",
    f"{EVALUATIONS}/{SLASHED_JUDGED}.txt": "Fine.\nSCORE: 456\n",
    f"{EVALUATIONS}/{OLD_JUDGED}.txt": "No verdict.\n",
}


def make_legacy_folder(path: Path, overrides: Mapping[str, str | bytes | None] | None = None) -> Path:
    """Write the folder below ``path``, which is returned.

    Args:
        path: The data folder of the original.
        overrides: Content by file name, over ``FILES``; None for no such file.
    """
    for name, content in {**FILES, **(overrides or {})}.items():
        if content is None:
            continue
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.utime(file, (MADE_AT.timestamp(), MADE_AT.timestamp()))
    return path


def without(*beginnings: str) -> dict[str, str | bytes | None]:
    """Overrides that take away every file whose name begins so."""
    return {name: None for name in FILES if name.startswith(beginnings)}
