"""The parameters of an experiment: the same names in the form, in REST, in YAML and in ``--set``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from daydreaming.errors import InputError
from daydreaming.inputs.experiment_files import PLAIN_NUMBER, experiment_names, load_yaml, read_experiment
from daydreaming.inputs.records import DescriptionLevel
from daydreaming.inputs.wording import MOST_TOLD, did_you_mean, listed, reason, show

#: Names of experiments and of saved experiments: folder and file names.
NAME_PATTERN = r"^[A-Za-z0-9._-]{1,100}$"
_NAME_RULE = "1 to 100 letters, digits, '.', '_' and '-', not dots alone"
#: Needed in a file only; a single run cannot schedule itself.
_FILE_ONLY = "schedule"
#: A larger sum is a slip of the pen.
_MAX_USD = 1_000_000
#: So is a larger number: the results database keeps none, and no plan of so many replicates ends.
_MAX_COUNT = 1_000_000_000
_MAX_REPLICATES = 10_000


def _not_dots(name: str) -> str:
    if not name.strip("."):
        raise ValueError("dots alone name a folder")
    return name


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _different(ids: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(ids)) != len(ids) or "" in ids:
        raise ValueError("twice or empty")
    return ids


_Name = Annotated[str, Field(pattern=NAME_PATTERN), AfterValidator(_not_dots)]
_Ids = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), AfterValidator(_different)]
_IDS_RULE = "a list of different IDs (empty: all active)"


class ExperimentParams(BaseModel):
    """What one run does. Each field's description is the rule that error messages quote.

    An empty list means "all active". ``schedule`` is read from files only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    experiment: _Name | None = Field(None, description=f"a name: {_NAME_RULE}")
    experiment_id: _Name | None = Field(None, description=_NAME_RULE)
    k_max: int = Field(4, ge=1, le=_MAX_COUNT, description="a whole number of at least 1")
    description_level: DescriptionLevel = Field("paragraph", description="sentence, paragraph or article")
    concepts: _Ids = Field((), description=_IDS_RULE)
    generation_templates: _Ids = Field((), description=_IDS_RULE)
    evaluation_templates: _Ids = Field((), description=_IDS_RULE)
    generation_models: _Ids = Field((), description=_IDS_RULE)
    evaluation_models: _Ids = Field((), description=_IDS_RULE)
    generation_replicates: int = Field(
        1, ge=1, le=_MAX_REPLICATES, description="a whole number of at least 1"
    )
    evaluation_replicates: int = Field(
        1, ge=1, le=_MAX_REPLICATES, description="a whole number of at least 1"
    )
    generation_temperature: float = Field(0.7, ge=0, le=2, description="a number from 0 to 2")
    evaluation_temperature: float = Field(0.1, ge=0, le=2, description="a number from 0 to 2")
    generation_max_tokens: int = Field(8192, ge=1, le=_MAX_COUNT, description="a whole number of at least 1")
    evaluation_max_tokens: int = Field(2048, ge=1, le=_MAX_COUNT, description="a whole number of at least 1")
    max_cost_usd: float | None = Field(
        None,
        ge=0,
        le=_MAX_USD,
        description=f"a number of at least 0, at most {_MAX_USD:,}, or nothing for no limit",
    )
    approve_above_usd: float | None = Field(
        None,
        ge=0,
        le=_MAX_USD,
        description=f"a number of at least 0, at most {_MAX_USD:,}, or nothing to ask nobody",
    )
    on_stale: Literal["fail", "reuse", "archive"] = Field("fail", description="fail, reuse or archive")
    max_failed_fraction: float = Field(0, ge=0, le=1, description="a number from 0 to 1")
    shard_size: int = Field(100, ge=1, le=_MAX_COUNT, description="a whole number of at least 1")
    dry_run: bool = Field(default=False, description="true or false")
    rejudge: bool = Field(default=False, description="true or false")
    schedule: Literal["nightly"] | None = Field(None, description="nightly, or left out")


PARAM_NAMES: tuple[str, ...] = tuple(name for name in ExperimentParams.model_fields if name != _FILE_ONLY)
#: What a run that only judges has no use for: it takes the essays that its experiment has.
GENERATION_PARAMS: tuple[str, ...] = (
    "k_max",
    "description_level",
    "concepts",
    *(name for name in PARAM_NAMES if name.startswith("generation_")),
)
_LISTS = frozenset(name for name, field in ExperimentParams.model_fields.items() if field.default == ())
_TEXTS = frozenset({"experiment", "experiment_id", "description_level", "on_stale"})


def resolve_params(
    overrides: Mapping[str, Any], experiments_dir: Path, earlier: Mapping[str, Any] | None = None
) -> ExperimentParams:
    """Overrides that are given, over the saved experiment, over those of an earlier run, over the defaults.

    Args:
        overrides: By parameter name; None, '' and empty lists count as not given.
        experiments_dir: Folder of saved experiments.
        earlier: Parameters that a run has had.

    Raises:
        InputError: Every problem of the overrides and of the saved experiment, one line each.
    """
    given = given_params(overrides)
    problems = _problems(given, "", allow_schedule=False)
    saved: dict[str, Any] = {}
    name = given.get("experiment")
    if isinstance(name, str) and not any(p.startswith("experiment must") for p in problems):
        saved, found = _saved(name, experiments_dir)
        problems += found
    if problems:
        raise InputError(problems)
    return ExperimentParams(**{**(earlier or {}), **saved, **given})


def given_params(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What counts as given: neither null nor empty."""
    return {str(k): v for k, v in overrides.items() if v is not None and v not in ("", [], ())}


def nightly_experiments(experiments_dir: Path) -> tuple[list[str], list[str]]:
    """Saved experiments that say ``schedule: nightly``.

    Returns:
        Their names, and the problems of files that cannot be used: a broken one does not keep
        the others from starting.
    """
    names: list[str] = []
    problems: list[str] = []
    for name in experiment_names(experiments_dir):
        saved, found = _saved(name, experiments_dir)
        problems += found
        if not found and saved.get(_FILE_ONLY) == "nightly":
            names.append(name)
    return names, problems


def parse_set_options(options: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` as typed on the command line; lists with commas or as ``[a, b]``.

    Raises:
        InputError: Options without ``=``, unknown names, a name given twice; one line each.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for option in options:
        name, equals, text = option.partition("=")
        name = name.strip()
        if not equals:
            problems.append(f"--set needs NAME=VALUE; got {show(option)}. Example: --set k_max=2")
        elif name not in PARAM_NAMES:
            problems.append(f"--set: {_unknown(name)}")
        elif name in values:
            problems.append(f"--set: {name} is given twice. Give it once; lists take commas: {name}=a,b")
        else:
            values[name] = _typed(name, text.strip())
    if problems:
        raise InputError(problems)
    return values


def _saved(name: str, experiments_dir: Path) -> tuple[dict[str, Any], list[str]]:
    values, problems = read_experiment(experiments_dir, name)
    values = {key: value for key, value in values.items() if value is not None}
    return values, problems or _problems(values, f"experiments/{name}.yaml: ", allow_schedule=True)


def _problems(values: Mapping[str, Any], source: str, *, allow_schedule: bool) -> list[str]:
    unknown = [key for key in values if key not in (*PARAM_NAMES, _FILE_ONLY)]
    problems = [f"{source}{_unknown(key)}" for key in unknown[:MOST_TOLD]]
    if len(unknown) > MOST_TOLD:
        problems.append(f"{source}{len(unknown) - MOST_TOLD:,} more names are no parameters. Delete them.")
    if _FILE_ONLY in values and not allow_schedule:
        problems.append(
            "schedule can only be set in a file in experiments/. Write it there, or leave it out."
        )
    if "experiment" in values and allow_schedule:
        problems.append(
            f"{source}experiment cannot be set in a saved experiment: its file name is it. Delete the line."
        )
    known = {key: value for key, value in values.items() if key in ExperimentParams.model_fields}
    try:
        ExperimentParams(**known)
    except ValidationError as error:
        # A field of several types or a list yields several findings; one line says it.
        fields = dict.fromkeys(field for field, _, _ in reason(error))
        problems += [f"{source}{_refused(field, known[field])}" for field in fields]
    return problems


def _refused(field: str, value: object) -> str:
    rule = ExperimentParams.model_fields[field].description
    most = _most(field, value)
    return f"{field} must be {rule}{most}; got {show(value)}.{_hint(field, value)}"


def _most(field: str, value: object) -> str:
    """The largest whole number, for those who passed it."""
    most = _MAX_REPLICATES if field.endswith("_replicates") else _MAX_COUNT
    is_count = ExperimentParams.model_fields[field].annotation is int
    return f", at most {most:,}" if is_count and isinstance(value, int) and value > most else ""


def _hint(field: str, value: object) -> str:
    if field in _LISTS and isinstance(value, str):
        return f" Write [{value}]." if len(value) < 60 and value.isprintable() else " Write a list."
    if field in _LISTS and isinstance(value, list | tuple) and _names_one_twice(value):
        return " Name each ID once."
    if (field in _LISTS or field in _TEXTS) and not isinstance(value, str | Sequence):
        return " Put it in quotes."
    return f" Correct {field}, or leave it out for its default."


def _names_one_twice(value: Sequence[object]) -> bool:
    # Texts only: what else YAML may hold can be endless when it is written out.
    return all(isinstance(item, str) for item in value) and len(set(value)) < len(value)


def _unknown(name: str) -> str:
    hint = did_you_mean(name, PARAM_NAMES)
    return f"there is no parameter {show(name)}.{hint} Parameters: {listed(PARAM_NAMES, name)}."


def _typed(name: str, text: str) -> Any:
    if name in _LISTS:
        return _typed_list(text)
    if name in _TEXTS:
        return text
    if text.lower() in ("", "null", "none"):
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float) if PLAIN_NUMBER.fullmatch(text) else ():
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _typed_list(text: str) -> Any:
    if text.startswith("["):
        try:
            return load_yaml(text)
        except ValueError:
            return text
    return [item.strip() for item in text.split(",") if item.strip()]
