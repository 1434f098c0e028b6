"""What one experiment reads, typed. Standard library only: every task instance imports this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

DescriptionLevel = Literal["sentence", "paragraph", "article"]
DESCRIPTION_LEVELS: tuple[DescriptionLevel, ...] = ("sentence", "paragraph", "article")

EssayParser = Literal["xml_tags", "section_headers", "whole"]
ESSAY_PARSERS: tuple[EssayParser, ...] = ("xml_tags", "section_headers", "whole")
ScoreParser = Literal["in_last_line", "complex", "strict"]
SCORE_PARSERS: tuple[ScoreParser, ...] = ("in_last_line", "complex", "strict")

Stage = Literal["generation", "evaluation"]

#: Models of this pool are called through their provider's batch API.
BATCH_POOL = "llm_batch"


@dataclass(frozen=True)
class Concept:
    """One ingredient of a combination.

    Attributes:
        descriptions: Text by level; a level with no file is absent.
    """

    concept_id: str
    name: str
    descriptions: Mapping[str, str] = field(default_factory=dict)

    def content(self, level: str) -> str:
        """The text at ``level``, else at paragraph, else at sentence, else the name."""
        for candidate in (level, "paragraph", "sentence"):
            if candidate in self.descriptions:
                return self.descriptions[candidate]
        return self.name


@dataclass(frozen=True)
class Template:
    """A prompt template (Jinja2 source in ``text``) and how its answers are read.

    Attributes:
        parser: An essay parser for a generation template, a score parser for an evaluation template.
        score_min: Lowest score on the template's scale; None for a generation template.
        score_max: Highest score on the template's scale; None for a generation template.
    """

    template_id: str
    template_name: str
    description: str
    parser: str
    text: str
    score_min: float | None = None
    score_max: float | None = None


@dataclass(frozen=True)
class LLMModel:
    """A model as the experiment names it, and how it is reached.

    Attributes:
        id: Name inside IDs and tables.
        model: Name that the provider knows.
        conn_id: Airflow connection of type ``openai``.
        pool: Airflow pool that its instances take a slot of.
        rpm: Requests per minute that the provider allows; None where unknown. ``tpm`` tokens
            per minute, ``rpd`` requests per day.
        usd_per_1m_input: Price in US dollars of a million prompt tokens; None where unknown.
        usd_per_1m_output: The same for completion tokens.
        extra_body: Sent with each request as it is.
    """

    id: str
    model: str
    provider: str
    display_name: str
    for_generation: bool
    for_evaluation: bool
    specialization: str
    conn_id: str
    pool: str
    rpm: int | None = None
    tpm: int | None = None
    rpd: int | None = None
    usd_per_1m_input: float | None = None
    usd_per_1m_output: float | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_batched(self) -> bool:
        """Whether it is called through its provider's batch API, at batch prices."""
        return self.pool == BATCH_POOL
