"""What is fuzzed: per target what it does with bytes, what it starts from, and words that matter to it.

A target raises only where the product has a fault: an exception that it does not declare, a message that is
no single short line, a result that breaks a promise.
"""

from __future__ import annotations

from tests.fuzz import answers, inputs
from tests.fuzz.base import Target


def all_targets() -> dict[str, Target]:
    """By name."""
    found = (
        Target(
            "csv",
            inputs.run_csv,
            inputs.CSV_SEEDS,
            ("true", "false", "strict", "xml_tags", '"', '""', ",", "\r\n", "\ufeff"),
        ),
        Target("yaml", inputs.run_yaml, inputs.YAML_SEEDS, (*inputs.param_words(), *inputs.YAML_WORDS)),
        Target("conf", inputs.run_conf, inputs.CONF_SEEDS, (*inputs.param_words(), *answers.JSON_WORDS)),
        Target("template", inputs.run_template, inputs.TEMPLATE_SEEDS, inputs.TEMPLATE_WORDS),
        Target("essay", answers.run_essay, answers.ANSWER_SEEDS, answers.ANSWER_WORDS),
        Target("score", answers.run_score, answers.ANSWER_SEEDS, answers.ANSWER_WORDS),
        Target("answer", answers.run_answer, answers.REPLY_SEEDS, answers.JSON_WORDS),
        Target("batch", answers.run_batch, answers.BATCH_SEEDS, answers.JSON_WORDS),
        Target(
            "export",
            answers.run_export,
            ("=1+1;a\r\nb;'=x;-1;@x", "\t=;'';＝1"),
            ("=", "'", "\r", "\n", "＋", '"'),
        ),
        Target(
            "prompt",
            answers.run_prompt,
            answers.ANSWER_SEEDS,
            (*answers.ANSWER_WORDS, "<<<", "＜/essay＞", "[INST]", "<|im_end|>"),
        ),
    )
    return {target.name: target for target in found}
