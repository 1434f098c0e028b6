"""The reference of the commands, made of what the command line parser itself knows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import typer

from daydreaming.cli.main import app

PROGRAM = "daydreaming"
_EXAMPLE = "Example: "
_INTRO = """\
# Commands

Made of the code by `make docs`: edit the help texts in `cli/main.py`, not this page. `--help` after any \
command says the same. What `--set` may name is in [REST](rest.md#daydream_experiment), what each exit code \
means in [configuration](../configuration.md#commands).
"""


@cache
def app_command() -> Any:
    """The command that all others belong to."""
    return typer.main.get_command(app)


@cache
def commands() -> dict[str, Any]:
    """Every command by its name, in the order of the help."""
    group = app_command()
    context = typer.Context(group, info_name=PROGRAM)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if not command.hidden}


@cache
def commands_page() -> str:
    """Markdown: a table of all commands, then each with its options and example."""
    rows = (f"| [`{name}`](#{name}) | {_paragraphs(command)[0]} |" for name, command in commands().items())
    table = "\n".join(["| command | does |", "| --- | --- |", *rows])
    return "\n".join([_INTRO, table, "", *_sections()]).rstrip() + "\n"


def _sections() -> Iterator[str]:
    for name, command in commands().items():
        context = typer.Context(command, info_name=name)
        yield f"## {name}"
        yield f"`{' '.join([PROGRAM, name, *_usage(command)])}`"
        paragraphs = _paragraphs(command)
        examples = [p.removeprefix(_EXAMPLE) for p in paragraphs if p.startswith(_EXAMPLE)]
        for paragraph in paragraphs:
            if not paragraph.startswith(_EXAMPLE):
                yield f"\n{paragraph}"
        yield from _options(command, context)
        yield "\n```sh\n" + "\n".join(examples) + "\n```\n"


def _paragraphs(command: Any) -> list[str]:
    return [" ".join(paragraph.split()) for paragraph in command.help.split("\n\n")]


def _usage(command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    if len(arguments) < len(command.params):
        yield "[OPTIONS]"
    for argument in arguments:
        yield argument.metavar or (
            argument.name.upper() if argument.required else f"[{argument.name.upper()}]"
        )


def _options(command: Any, context: typer.Context) -> Iterator[str]:
    records = [p.get_help_record(context) for p in command.params if p.param_type_name == "option"]
    shown = [record for record in records if record]
    if shown:
        yield "\n| option | meaning |\n| --- | --- |"
    for option, meaning in shown:
        yield f"| `{option.strip()}` | {meaning.strip().replace('|', chr(92) + '|')} |"
