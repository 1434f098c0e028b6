"""The errors of the package. The class decides what happens next; the message says what to do.

``InputError`` and ``DesignError`` are a person's to mend, ``LLMTransientError`` is retried,
``LLMPermanentError`` is not, ``ParseError`` marks one cell, ``StoreError`` stops the task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


class DaydreamingError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(DaydreamingError):
    """Something in the inputs or parameters is wrong; holds every problem of one load.

    Attributes:
        problems: One line each: file and row, what is wrong, what to do.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


class DesignError(DaydreamingError):
    """The inputs are valid, but no plan can be made of them (too large, ambiguous IDs, …)."""


@dataclass(frozen=True)
class Usage:
    """What a provider says that a call used; None where it does not say.

    Attributes:
        cost_usd: US dollars, as the provider states them.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None


class LLMError(DaydreamingError):
    """A call failed.

    Attributes:
        status: The HTTP status that says so; None where none does.
        usage: What the provider billed all the same (an answer cut off, an empty one); None where nothing.
        is_outcome_unknown: True where the request was sent and no whole answer came: it may have been billed.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        usage: Usage | None = None,
        is_outcome_unknown: bool = False,
    ) -> None:
        self.status = status
        self.usage = usage
        self.is_outcome_unknown = is_outcome_unknown
        super().__init__(message)


class LLMTransientError(LLMError):
    """A call failed in a way that trying again may mend.

    Attributes:
        retry_after_s: Seconds that the provider asked to wait; None where it said nothing.
    """

    def __init__(
        self,
        message: str,
        retry_after_s: float | None = None,
        *,
        status: int | None = None,
        usage: Usage | None = None,
        is_outcome_unknown: bool = False,
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, status=status, usage=usage, is_outcome_unknown=is_outcome_unknown)


class LLMPermanentError(LLMError):
    """A call failed in a way that trying again cannot mend."""


class BatchMemberError(LLMPermanentError):
    """A call failed in its batch; the others of the batch are no worse for it."""


class BatchError(DaydreamingError):
    """A batch as a whole came to nothing: none of its calls has an answer from it."""


class BudgetError(DaydreamingError):
    """A call was not sent, for it may pass a cap on what may be spent."""


class ParseError(DaydreamingError):
    """An answer could not be read: no essay, or no score, where the parser looks."""


class EssayParseError(ParseError):
    """The essay was not found in a generator's answer."""


class ScoreParseError(ParseError):
    """No score, or one outside the scale, in a judge's answer."""


class StoreError(DaydreamingError):
    """Files or results database do not hold what they should."""


class ObjectStoreError(StoreError):
    """An object store did not do what was asked; what it holds is whole.

    Attributes:
        reason: ``down``: it does not answer, or fails, which may pass; ``refused``: the credentials;
            ``missing``: the bucket.
    """

    def __init__(self, message: str, reason: Literal["down", "refused", "missing"]) -> None:
        self.reason = reason
        super().__init__(message)

    def __reduce__(self) -> tuple[type[ObjectStoreError], tuple[str, str]]:
        return type(self), (str(self), self.reason)


def is_store_down(error: Exception) -> bool:
    """Whether an object store did not answer, so that trying again may help."""
    return isinstance(error, ObjectStoreError) and error.reason == "down"


class StaleResponseError(StoreError):
    """A stored response was made by another request than the one that would be sent now."""


class MissingResponseError(StoreError):
    """An evaluation's generation has no response yet."""
