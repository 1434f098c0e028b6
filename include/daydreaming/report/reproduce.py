"""How to come to the same numbers: parameters, versions, hashes."""

from __future__ import annotations

from collections.abc import Iterator

from daydreaming.report.blocks import Block, Code, Column, Facts, Heading, Paragraph, Section, table
from daydreaming.report.source import Origin, Source

_MOST_RUNS = 15


def reproduce_section(source: Source) -> Section:
    """Everything that the numbers above rest on."""
    origin = source.origin
    first, last = source.first_call_at, source.last_answer_at
    facts = [
        ("Package", f"daydreaming {origin.code_version}"),
        ("Statistics made with", origin.made_with),
        ("Answers", f"from {first} to {last}" if first and last else "none with a known time"),
    ]
    blocks: list[Block] = [Facts(facts), *_commands(source), *_spec(origin)]
    blocks += [*_runs(source), *_served(origin), *_hashes(origin)]
    return Section("reproduce", "How to reproduce", blocks, starts_page=True)


def _commands(source: Source) -> Iterator[Block]:
    name = source.experiment_id
    saved = source.origin.saved_experiment
    yield Paragraph(
        "The first command derives every score and table of this experiment, and this report, from the "
        "stored answers again and names what differs. It needs no network and no key."
        + (
            " The second runs the saved experiment anew; what is answered is not asked again."
            if saved
            else ""
        )
    )
    run = f"\ndaydreaming run {saved}" if saved else ""
    yield Code(f"daydreaming verify {name}{run}")


def _spec(origin: Origin) -> Iterator[Block]:
    yield Heading("Parameters of the latest run that gave answers")
    yield Code(origin.spec.rstrip("\n"))


def _runs(source: Source) -> Iterator[Block]:
    runs = source.origin.runs
    yield Heading("Runs that gave the answers")
    if not runs:
        yield Paragraph("No answer has a record that names its run.", "waiting")
        return
    yield Paragraph("The digest is the SHA-256 of inputs.json in the folder of the frozen inputs.", "note")
    columns = [Column("run", "long"), Column("experiment", "long"), Column("started")]
    columns += [Column("answers", "number"), Column("digest", "long"), Column("inputs", "long")]
    rows = [
        [
            run.run_id,
            run.experiment_id,
            run.started_at,
            f"{run.answers:,}",
            run.inputs_digest,
            run.inputs_path,
        ]
        for run in runs
    ]
    yield table("Runs", columns, rows, most=_MOST_RUNS)


def _served(origin: Origin) -> Iterator[Block]:
    yield Heading("Models as their providers name them")
    if not origin.served:
        yield Paragraph("This waits for the first answer.", "waiting")
        return
    columns = [
        Column("stage"),
        Column("model", "code"),
        Column("asked for", "long"),
        Column("returned", "long"),
    ]
    columns.append(Column("provider"))
    columns += [Column(name, "number") for name in ("answers", "prompt tokens", "completion tokens")]
    rows = [
        [
            s.stage,
            s.model,
            s.requested,
            s.returned,
            s.provider,
            *(f"{number:,}" for number in (s.answers, s.prompt_tokens, s.completion_tokens)),
        ]
        for s in origin.served
    ]
    yield table("Who answered", columns, rows)


def _hashes(origin: Origin) -> Iterator[Block]:
    if not origin.hashes:
        return
    yield Heading("Tables")
    columns = [Column("file", "code"), Column("SHA-256", "long")]
    yield table("Files that this report is made of", columns, list(map(list, origin.hashes.items())))
