"""Templates to prompts.

Templates come from files that many people edit, so they run in a sandbox that is narrower than
Jinja's own: attributes, filters and globals are what is listed here and nothing else, no other
template can be loaded, and nothing is evaluated while a template is compiled. Undefined names are
errors. One newline at the end of a template file is dropped, as Jinja does by default; any other
white space reaches the model as it is written.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from daydreaming.errors import InputError
from daydreaming.prompts.enclosure import NO_ENCLOSURE, PLACE, Enclosure, enclosure_of
from daydreaming.prompts.neutralise import neutralise

#: Longest prompt: beyond it a template has run away.
MAX_PROMPT_CHARS = 10_000_000
#: Longest ``range(…)`` and longest result of multiplying a text or a list.
MAX_REPEAT = 10_000
_MAX_INT_BITS = 256
_LONGEST_TOLD = 300


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FILTERS = _words(
    "abs capitalize count d default dictsort e escape first float groupby int items join last "
    "length list lower map max min reject rejectattr replace reverse round select selectattr "
    "sort string sum title trim truncate unique upper wordcount"
)
_TEXT_ATTRIBUTES = _words(
    "capitalize casefold count endswith find isalnum isalpha isdecimal isdigit islower isspace "
    "istitle isupper lower lstrip partition removeprefix removesuffix replace rfind rpartition "
    "rsplit rstrip split splitlines startswith strip swapcase title upper"
)
_MAPPING_ATTRIBUTES = frozenset({"get", "items", "keys", "values"})
#: ``grouper`` and ``list`` are what the filter ``groupby`` gives.
_SEQUENCE_ATTRIBUTES = frozenset({"count", "grouper", "index", "list"})
_LOOP_ATTRIBUTES = _words(
    "changed cycle depth depth0 first index index0 last length nextitem previtem revindex revindex0"
)
_ATTRIBUTES: tuple[tuple[type | tuple[type, ...], frozenset[str]], ...] = (
    (str, _TEXT_ATTRIBUTES),
    (Mapping, _MAPPING_ATTRIBUTES),
    ((list, tuple), _SEQUENCE_ATTRIBUTES),
    (LoopContext, _LOOP_ATTRIBUTES),
)

#: What a template may raise that is the template's own fault.
TEMPLATE_FAULTS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    NameError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)


class _LiteralCodeGenerator(CodeGenerator):
    """Evaluates nothing at compile time: a constant such as ``'a'|replace(…)`` could be a bomb."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox that all templates run in."""

    intercepted_binops = frozenset({"*", "**", "%"})
    code_generator_class = _LiteralCodeGenerator

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, optimized=False, autoescape=False, finalize=_shown)
        self.filters = {name: f for name, f in self.filters.items() if name in _FILTERS}
        self.globals = {"range": _bounded_range}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Only what is listed: Python objects have more ways out than a list of bans can name."""
        if not super().is_safe_attribute(obj, attr, value):
            return False
        return any(isinstance(obj, kind) and attr in allowed for kind, allowed in _ATTRIBUTES)

    def wrap_str_format(self, value: Any) -> None:
        """``str.format`` is not offered, so there is nothing to wrap."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse operators that make something huge out of something small."""
        if operator in ("*", "**"):
            _check_product(operator, left, right)
        elif operator == "%" and isinstance(left, str):
            raise SecurityError("formatting a text with % is not offered in templates; join texts with ~")
        return super().call_binop(context, operator, left, right)


def _shown(value: Any) -> Any:
    """Refuse what would reach the model as Python's own notation, such as ``<generator object …>``."""
    if isinstance(value, Undefined):
        str(value)  # raises, and says which name
    elif isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            _shown(item)
    elif not isinstance(value, str | int | float):
        raise TypeError(f"shows a {type(value).__name__}, which is no text; add |join(', ') or write a loop")
    return value


def _bounded_range(*args: int) -> range:
    numbers = range(*args)
    if len(numbers) > MAX_REPEAT:
        raise OverflowError(f"range() may count to {MAX_REPEAT:,} in templates; got {len(numbers):,}")
    return numbers


def _check_product(operator: str, left: Any, right: Any) -> None:
    for thing, times in ((left, right), (right, left)):
        if isinstance(thing, str | list | tuple | bytes) and isinstance(times, int):
            if len(thing) * times > MAX_REPEAT:
                raise OverflowError(
                    f"repeating a text or list may make at most {MAX_REPEAT:,} items in templates"
                )
            return
    if isinstance(left, int) and isinstance(right, int):
        bits = (
            left.bit_length() * max(right, 1) if operator == "**" else left.bit_length() + right.bit_length()
        )
        if bits > _MAX_INT_BITS:
            raise OverflowError("the number is too large for a template")


ENVIRONMENT = PromptEnvironment()


@lru_cache(maxsize=1024)
def compile_template(text: str) -> Template:
    """Compile a template, once per process.

    Raises:
        InputError: The text is no valid Jinja2; says in which line.
    """
    try:
        return ENVIRONMENT.from_string(text)
    except TemplateSyntaxError as error:
        raise InputError(
            f"line {error.lineno}: does not compile: {one_line(error.message or type(error).__name__)}."
        ) from error
    except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
        # SyntaxError: Python's own compiler takes no more than some twenty loops inside each other.
        raise InputError(f"does not compile: {type(error).__name__} (nested too deeply?).") from error


def render_generation(template_text: str, concepts: Sequence[Mapping[str, str]]) -> str:
    """The prompt of a generation.

    Args:
        template_text: Jinja2 source.
        concepts: Mappings with ``name`` and ``content``, in the order that the template shall see.

    Raises:
        InputError: The template does not compile or cannot be rendered; says in which line.
    """
    return render(template_text, {"concepts": [dict(concept) for concept in concepts]})


def render_evaluation(template_text: str, response: str) -> str:
    """The prompt of an evaluation of the essay ``response``, which itself is never read as a template.

    What in the essay could pass for the template's own marks, or for a verdict, is changed by
    `neutralise`; an essay without such things is shown as it is.

    Raises:
        InputError: The template does not compile or cannot be rendered; says in which line.
    """
    return render(template_text, {"response": neutralise(response, enclosure_in(template_text))})


@lru_cache(maxsize=1024)
def enclosure_in(template_text: str) -> Enclosure:
    """What an evaluation template puts round the essay; nothing where it takes essays of one form only.

    Raises:
        InputError: The template does not compile; says in which line.
    """
    compile_template(template_text)
    try:
        return enclosure_of(render(template_text, {"response": PLACE}))
    except InputError:
        return NO_ENCLOSURE


def render(template_text: str, variables: Mapping[str, Any]) -> str:
    """Render a template with ``variables``.

    Raises:
        InputError: The template does not compile, cannot be rendered or makes too long a prompt.
    """
    template = compile_template(template_text)
    pieces: list[str] = []
    length = 0
    try:
        for piece in template.generate(variables):
            length += len(piece)
            if length > MAX_PROMPT_CHARS:
                raise InputError(
                    f"makes a prompt of more than {MAX_PROMPT_CHARS:,} characters. Look for a loop."
                )
            pieces.append(piece)
    except TEMPLATE_FAULTS as error:
        raise InputError(_explain(error)) from error
    return "".join(pieces)


def _explain(error: BaseException) -> str:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == "<template>"]
    place = f"line {lines[-1]}: " if lines else ""
    return f"{place}cannot be rendered: {one_line(str(error)) or type(error).__name__}."


def one_line(text: str) -> str:
    """A message without its full stop, of bounded length: it may quote what a template has made."""
    line = " ".join(text[:_LONGEST_TOLD].split())
    return f"{line}…" if len(text) > _LONGEST_TOLD else line.rstrip(".")
