"""The `daydreaming` command."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from daydreaming.cli.completion import answered_ids, experiment_ids, saved_experiments
from daydreaming.errors import DaydreamingError, InputError
from daydreaming.settings import Settings

app = typer.Typer(
    help="Factorial LLM experiments on Apache Airflow.",
    no_args_is_help=False,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

#: What the command line parser raises for a wrong option, argument or command; typer gives it no public name.
_UsageError: Any = typer.BadParameter.__base__

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter; lists by comma. Repeatable."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SavedExperiment = Annotated[str, typer.Argument(autocompletion=saved_experiments)]
ExperimentId = Annotated[str, typer.Argument(autocompletion=experiment_ids)]
AnyExperimentId = Annotated[str | None, typer.Argument(autocompletion=experiment_ids)]


def main() -> None:
    """Run the command; a person's mistake is one line on stderr and exit code 2."""
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except _UsageError as error:
        from daydreaming.cli.usage import usage_text

        _refuse(usage_text(error.format_message(), sys.argv[1:]))
    except typer.Abort:
        sys.exit(130)
    except BrokenPipeError:
        # Who read our output has seen enough; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except DaydreamingError as error:
        _refuse(str(error))
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        _refuse(f"{what}. Check DAYDREAMING_DATA_ROOT, DAYDREAMING_INPUTS_ROOT and AIRFLOW_HOME.")
    except UnicodeEncodeError as error:
        if error.encoding != "utf-8":
            _refuse(
                f"{error.encoding} cannot show {error.object[error.start]!a}. Set PYTHONIOENCODING=utf-8."
            )
        # Python keeps a byte of an argument that is no UTF-8 as half a character, which nothing takes.
        _refuse(f"An argument or a path is no UTF-8: {ascii(error.object)[:80]}. Type it in UTF-8.")
    except (SystemExit, KeyboardInterrupt):
        raise
    except _database_error() as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        _refuse(
            f"The results database cannot be used: {cause}. Check DAYDREAMING_DATA_ROOT and "
            "AIRFLOW_CONN_DAYDREAMING_RESULTS; `daydreaming up` makes its tables."
        )


def _refuse(message: str) -> NoReturn:
    from daydreaming.cli.typed import as_typed

    for line in as_typed(message).splitlines():
        print(f"Error: {line}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


def _database_error() -> type[Exception]:
    """Imported when something else than the above was raised: no command waits for it otherwise."""
    from sqlalchemy.exc import SQLAlchemyError

    return SQLAlchemyError


@app.callback(invoke_without_command=True)
def common(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Factorial LLM experiments on Apache Airflow."""
    if version:
        from daydreaming import __version__

        typer.echo(f"daydreaming {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise _UsageError("Missing command.")
    if "://" in os.environ.get("DAYDREAMING_DATA_ROOT", ""):
        from daydreaming.cli.store_access import know_connections

        know_connections()


@app.command()
def run(name: SavedExperiment, set_: SetOption = None, as_json: JsonOption = False) -> None:
    """Run a saved experiment in Airflow and follow it.

    With --json: an object per line, for the start, each change and the result. Interrupting the command
    does not stop the run.

    Example: daydreaming run demo --set k_max=2
    """
    from rich.console import Console

    from daydreaming.cli.run import run_experiment

    if not run_experiment(Settings.from_env(), _overrides(name, set_), Console(), as_json=as_json):
        raise typer.Exit(1)


@app.command()
def plan(name: SavedExperiment, set_: SetOption = None, as_json: JsonOption = False) -> None:
    """Say what an experiment would call, cost and take, and what is answered already; calls nothing.

    Needs no Airflow.

    Example: daydreaming plan demo --set concepts=mind_wandering,economic_moat --json
    """
    from daydreaming.cli.terminal import terminal_width, wrapped
    from daydreaming.pipeline.estimate import estimate_plan
    from daydreaming.pipeline.estimate_text import estimate_json
    from daydreaming.pipeline.plan import read_inputs

    settings = Settings.from_env()
    estimate = estimate_plan(settings, read_inputs(settings, _overrides(name, set_)))
    width = terminal_width(sys.stdout)
    lines = wrapped(estimate.lines(width), width)
    typer.echo(json.dumps(estimate_json(estimate)) if as_json else "\n".join(lines))


@app.command()
def status(experiment_id: AnyExperimentId = None, as_json: JsonOption = False) -> None:
    """Count answered, failed and waiting calls, by stage and model.

    Example: daydreaming status demo --json
    """
    from daydreaming.cli.status import run_status

    run_status(Settings.from_env(), experiment_id, as_json, sys.stdout)


@app.command()
def watch(experiment_id: AnyExperimentId = None, as_json: JsonOption = False) -> None:
    """Follow an experiment that was started elsewhere, until nothing in it waits; needs no Airflow.

    Without an ID: the newest that is not complete. The exit code is 1 where calls failed.

    Example: daydreaming watch demo
    """
    from rich.console import Console

    from daydreaming.cli.watch import run_watch

    if not run_watch(Settings.from_env(), experiment_id, Console(), as_json=as_json):
        raise typer.Exit(1)


@app.command()
def essays(
    experiment_id: ExperimentId,
    top: Annotated[int | None, typer.Option(min=1, metavar="N", help="The best N; 10 by default.")] = None,
    bottom: Annotated[int | None, typer.Option(min=1, metavar="N", help="The worst N.")] = None,
    disputed: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The N that judges disagree on most.")
    ] = None,
    concept: Annotated[
        str | None, typer.Option(metavar="CONCEPT_ID", help="Only essays that combine it with others.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Rank the essays of an experiment by their mean score.

    Example: daydreaming essays demo --top 5
    """
    from daydreaming.cli.essays import run_essays

    run_essays(
        Settings.from_env(),
        experiment_id,
        {"top": top, "bottom": bottom, "disputed": disputed},
        as_json,
        sys.stdout,
        concept,
    )


@app.command()
def show(
    cell_id: Annotated[str, typer.Argument(metavar="GENERATION_ID", autocompletion=answered_ids)],
    experiment: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Whose verdicts; else of the one that planned it last.",
            autocompletion=experiment_ids,
        ),
    ] = None,
    prompt: Annotated[bool, typer.Option("--prompt", help="Print the prompts too.")] = False,
    verdicts: Annotated[bool, typer.Option("--verdicts", help="Print what the judges wrote.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show an essay: its concepts, its text, its scores and how it came to be; an evaluation's ID does too.

    Example: daydreaming show combo_v1_0123456789ab_essay_gpt_5 --verdicts
    """
    from daydreaming.cli.show import run_show

    run_show(
        Settings.from_env(),
        cell_id,
        experiment,
        prompt=prompt,
        verdicts=verdicts,
        as_json=as_json,
        out=sys.stdout,
    )


@app.command()
def cost(
    experiment_id: AnyExperimentId = None,
    cap: Annotated[
        float | None, typer.Option(metavar="USD", help="Set or raise what the experiment may cost.")
    ] = None,
    no_cap: Annotated[bool, typer.Option("--no-cap", help="Lift its cap.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what was spent, by model, stage and day, and what a score cost; without an ID, of all.

    A cap that is set or raised lets refused calls be made once they are cleared.

    Example: daydreaming cost demo --cap 5
    """
    from daydreaming.cli.cost import run_cost

    run_cost(Settings.from_env(), experiment_id, cap, no_cap, as_json, sys.stdout)


@app.command("parse-score")
def parse_score(
    files: Annotated[list[str], typer.Argument(metavar="FILE...")],
    parser: Annotated[str, typer.Option(help="in_last_line, complex or strict.")],
    scale: Annotated[str, typer.Option(help="Lowest and highest score.")] = "0-10",
    as_json: JsonOption = False,
) -> None:
    """Read the score of judges' answers, without Airflow.

    With --json: an object per line with file, parser, score (null where unscored) and error.

    Example: daydreaming parse-score --parser strict --scale 0-9 verdict.txt --json
    """
    from daydreaming.cli.parse_score import run_parse_score

    run_parse_score(files, parser, scale, as_json, sys.stdout)


@app.command()
def rescore(
    experiment_id: ExperimentId,
    evaluation_template: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only verdicts on this template. Repeatable."),
    ] = None,
    parser: Annotated[str | None, typer.Option(help="in_last_line, complex or strict.")] = None,
    scale: Annotated[str | None, typer.Option(help="Lowest and highest score, such as 0-9.")] = None,
    generation_template: Annotated[list[str] | None, typer.Option(hidden=True)] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come out; write nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read the stored verdicts of an experiment anew, without a call.

    Without --parser and --scale: as evaluation_templates.csv says now.

    Example: daydreaming rescore demo --parser strict --scale 0-9
    """
    from daydreaming.cli.rescore import refuse_generation_templates, run_rescore

    refuse_generation_templates(generation_template or [])
    run_rescore(
        Settings.from_env(),
        experiment_id,
        evaluation_template or [],
        parser,
        scale,
        dry_run,
        as_json,
        sys.stdout,
    )


@app.command()
def rejudge(
    experiment_id: ExperimentId,
    evaluation_templates: Annotated[
        str | None, typer.Option(metavar="A,B", help="Rubrics; else those of the experiment.")
    ] = None,
    evaluation_models: Annotated[
        str | None, typer.Option(metavar="X,Y", help="Judges; else those of the experiment.")
    ] = None,
    evaluation_replicates: Annotated[
        str | None, typer.Option(metavar="N", help="Verdicts per essay, rubric and judge.")
    ] = None,
    set_: SetOption = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the run to its end.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Have the essays of an experiment judged by other rubrics or judges; generates nothing.

    Example: daydreaming rejudge demo --evaluation-templates rigor --evaluation-models judge
    """
    from rich.console import Console

    from daydreaming.cli.rejudge import rejudge_overrides, run_rejudge

    given = {
        "evaluation_templates": evaluation_templates,
        "evaluation_models": evaluation_models,
        "evaluation_replicates": evaluation_replicates,
    }
    overrides = rejudge_overrides(experiment_id, given, set_ or [])
    if not run_rejudge(Settings.from_env(), overrides, Console(), wait=wait, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def query(
    experiment: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="That it serves. This and the next five: repeatable."),
    ] = None,
    generation_template: Annotated[list[str] | None, typer.Option(metavar="ID")] = None,
    evaluation_template: Annotated[list[str] | None, typer.Option(metavar="ID")] = None,
    generation_model: Annotated[list[str] | None, typer.Option(metavar="ID")] = None,
    evaluation_model: Annotated[list[str] | None, typer.Option(metavar="ID")] = None,
    parser: Annotated[list[str] | None, typer.Option(help="in_last_line, complex or strict.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="First day (UTC) of the verdict.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Last day, included.")] = None,
    min_score: Annotated[float | None, typer.Option(help="On the template's own scale.")] = None,
    max_score: Annotated[float | None, typer.Option(help="Likewise; both leave unscored ones out.")] = None,
    columns: Annotated[
        str, typer.Option(metavar="A,B", help="Columns of evaluation_results.csv, in this order.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="Rows that the terminal shows.")] = 50,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all rows to a .csv or .parquet file.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, all rows.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find evaluations over all experiments.

    Example: daydreaming query --generation-model gpt_5 --min-score 8 --since 2026-03-01 --out best.parquet
    """
    from daydreaming.cli.query import Output, run_query

    filters = {
        "experiments": experiment,
        "generation_templates": generation_template,
        "evaluation_templates": evaluation_template,
        "generation_models": generation_model,
        "evaluation_models": evaluation_model,
        "parsers": parser,
        "since": since,
        "until": until,
        "min_score": min_score,
        "max_score": max_score,
    }
    output = Output(as_csv, as_json, columns, limit, out)
    run_query(Settings.from_env(), filters, output, sys.stdout)


@app.command()
def analyze(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write one CSV per table there.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Analyse any table with the columns of parsed_scores.csv, without Airflow.

    How far the judges agree, which level of a factor is better, and every table that needs only scores.
    With --json: one object, keyed by table.

    Example: daydreaming analyze scores.csv --out tables
    """
    from daydreaming.cli.analyze import run_analyze

    run_analyze(file, out, as_json, sys.stdout)


@app.command()
def verify(
    experiment_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[EXPERIMENT_ID]...", autocompletion=experiment_ids)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Derive every score and table from the files again, and list all that does not agree; writes nothing.

    The exit code is 1 where anything is wrong. Without an ID: all experiments.

    Example: daydreaming verify demo --json
    """
    from rich.console import Console

    from daydreaming.cli.verify import run_verify

    if not run_verify(Settings.from_env(), experiment_ids or [], as_json, sys.stdout, Console(stderr=True)):
        raise typer.Exit(1)


@app.command()
def report(
    experiment_id: ExperimentId,
    question: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the experiment asks: the report shows it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the tables of an experiment up to date and write its report: one HTML file, for reading or PDF.

    Example: daydreaming report demo --question "Do more concepts make better essays?"
    """
    from daydreaming.cli.report import run_report

    run_report(Settings.from_env(), experiment_id, question, as_json, sys.stdout)


@app.command("import-legacy")
def import_legacy(
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    experiment_id: Annotated[
        str, typer.Option("--experiment-id", metavar="ID", help="The experiment that it becomes.")
    ] = "legacy",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import a data folder of the Dagster original without changing an answer.

    Example: daydreaming import-legacy ../old/data --dry-run
    """
    from daydreaming.cli.import_legacy import run_import_legacy

    if not run_import_legacy(Settings.from_env(), folder, experiment_id, dry_run, as_json, sys.stdout):
        raise typer.Exit(1)


@app.command()
def rebuild(as_json: JsonOption = False) -> None:
    """Make the results database again from the files alone; it changes in one step, or not at all.

    The DAG daydream_rebuild does the same.

    Example: daydreaming rebuild
    """
    from rich.console import Console

    from daydreaming.cli.rebuild import run_rebuild

    run_rebuild(Settings.from_env(), as_json, Console(stderr=True), sys.stdout)


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Say what is to be done; exit code 1 where anything is.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring Airflow's metadata database and the results database to the schemas of this release.

    Example: daydreaming migrate --check
    """
    from daydreaming.cli.migrate import run_migrate

    if not run_migrate(Settings.from_env(), check, as_json, sys.stdout):
        raise typer.Exit(1)


@app.command()
def backup(file: Annotated[Path, typer.Argument(metavar="FILE.tar.gz")], as_json: JsonOption = False) -> None:
    """Put data root and results database into one file; runs may go on meanwhile.

    Example: daydreaming backup ../daydreaming.tar.gz
    """
    from rich.console import Console

    from daydreaming.cli.backup import run_backup

    run_backup(Settings.from_env(), file, as_json, Console(stderr=True), sys.stdout)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE.tar.gz")],
    check: Annotated[
        bool, typer.Option("--check", help="Read and compare all of it; restore nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring a backup back into an empty data root and an empty results database, all of it or nothing.

    Example: daydreaming restore ../daydreaming.tar.gz
    """
    from rich.console import Console

    from daydreaming.cli.backup import run_restore

    run_restore(Settings.from_env(), file, check, as_json, Console(stderr=True), sys.stdout)


@app.command()
def up(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the UI; 0 for any free one.")
    ] = None,
    llm: Annotated[str, typer.Option(help="Model server to start: none, local or simulated.")] = "none",
) -> None:
    """Start Airflow on this machine, at 127.0.0.1 alone.

    Without --port: 8080, or any free port where that is taken.

    Example: daydreaming up --port 0 --llm local
    """
    from daydreaming.cli.up import bring_up

    bring_up(port, llm, typer.echo)


@app.command()
def down() -> None:
    """Stop what `up` started.

    Example: daydreaming down
    """
    from daydreaming.cli.environment import Home
    from daydreaming.cli.services import stop

    count = stop(Home.from_env())
    typer.echo(f"Stopped {count} processes." if count else "Nothing was running.")


@app.command()
def demo(
    llm: Annotated[str, typer.Option(help="local or simulated.")] = "local",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the UI; 0 for any free one.")
    ] = None,
) -> None:
    """Start Airflow and a model server, run the saved experiment `demo`, and leave the UI up.

    Where the local model cannot run, it says why and takes the simulator.

    Example: daydreaming demo --llm simulated
    """
    from daydreaming.cli.demo import run_demo

    if not run_demo(llm, port):
        raise typer.Exit(1)


def _overrides(name: str, assignments: list[str] | None) -> dict[str, Any]:
    from daydreaming.inputs.params import parse_set_options

    if not name.strip():
        raise InputError("Name a saved experiment: an empty name would mean everything that is active.")
    return {**parse_set_options(assignments or []), "experiment": name}


if __name__ == "__main__":
    main()
