"""Every command in the documents names commands, options, targets and routes that there are.

That each is also run by a test is seen in test_every_command_is_run.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import airflow
import pytest
import typer
import yaml

from daydreaming.ui.app import create_app
from daydreaming.ui.lazy import URL_PREFIX
from tests.support.documents import ROOT, Command, all_blocks, commands, documents
from tests.support.reference_cli import app_command
from tests.support.reference_cli import commands as our_commands

OURS = ("daydreaming", ".venv/bin/daydreaming")
#: Groups of Airflow's command line that the image has and this environment has not.
OF_PROVIDERS = {"users": "apache-airflow-providers-fab"}
#: Its callback would write to the shell's own files.
NOT_PARSED = ("--install-completion",)
_SERVICE_COMMANDS = (
    "up",
    "down",
    "run",
    "exec",
    "cp",
    "ps",
    "logs",
    "stop",
    "start",
    "restart",
    "pull",
    "build",
)
_INLINE = re.compile(r"`(?:\.venv/bin/)?daydreaming ([a-z][a-z-]*)([^`]*)`")
_OPTION = re.compile(r"--[a-z][a-z-]*")

TYPED = [command for block in all_blocks("sh", "console") for command in commands(block)]


def _typed(*programs: str) -> list[Command]:
    return [command for command in TYPED if command.program in programs]


def _inside(command: Command) -> Iterator[tuple[str, ...]]:
    """What a container is told to run."""
    for start in ("cli", "--"):
        if start in command.arguments:
            yield command.arguments[command.arguments.index(start) + 1 :]


def test_the_documents_have_commands() -> None:
    assert len(_typed(*OURS)) > 50


@pytest.mark.parametrize("command", _typed(*OURS), ids=str)
def test_our_command_takes_these_arguments(command: Command) -> None:
    _parse(command.arguments)


def _parse(arguments: tuple[str, ...]) -> None:
    if arguments[0] in NOT_PARSED:
        assert arguments[0] in {option for p in app_command().params for option in p.opts}
        return
    name, *rest = arguments
    our_commands()[name].make_context(name, rest, parent=typer.Context(app_command()))


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_commands_within_sentences_have_these_options(path: Path) -> None:
    for name, rest in _INLINE.findall(path.read_text(encoding="utf-8")):
        assert name in our_commands(), name
        options = {o for p in our_commands()[name].params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        assert set(_OPTION.findall(rest)) <= options, f"daydreaming {name}{rest}"


@pytest.mark.parametrize("command", _typed("make"), ids=str)
def test_make_has_the_target_and_its_variables(command: Command) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for argument in command.arguments:
        name, is_variable, _ = argument.partition("=")
        if is_variable:
            assert re.search(rf"\b{name}\b", makefile), argument
        else:
            assert re.search(rf"^{re.escape(argument)}:", makefile, re.MULTILINE), argument


@pytest.mark.parametrize("command", _typed("docker"), ids=str)
def test_compose_has_the_files_profiles_and_services(command: Command) -> None:
    arguments = iter(command.arguments)
    assert next(arguments) == "compose"
    for argument in arguments:
        if argument == "-f":
            assert (ROOT / next(arguments)).is_file()
        elif argument == "--profile":
            assert next(arguments) in {p for s in _services().values() for p in s.get("profiles", ())}
        else:
            break
    assert argument in _SERVICE_COMMANDS
    if argument in ("run", "exec"):
        assert set(command.arguments) & set(_services()), command
    for told in _inside(command):
        assert told[0] in ("daydreaming", "airflow")
        _parse(told[1:]) if told[0] == "daydreaming" else _check_airflow(told[1:])


@cache
def _services() -> Mapping[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))["services"]


@pytest.mark.parametrize("command", _typed("kubectl", "airflow"), ids=str)
def test_airflow_has_the_command(command: Command) -> None:
    for told in [command.arguments] if command.program == "airflow" else _inside(command):
        _check_airflow(told[1:] if told[0] == "airflow" else told)


def _check_airflow(arguments: tuple[str, ...]) -> None:
    from airflow.cli.cli_parser import airflow_commands

    group, *_ = arguments
    provider = OF_PROVIDERS.get(group)
    if provider:
        assert provider in (ROOT / "requirements-deploy.lock").read_text(encoding="utf-8")
    else:
        assert group in {known.name for known in airflow_commands}


@pytest.mark.parametrize("command", _typed("curl"), ids=str)
def test_the_address_of_a_call_is_a_route(command: Command) -> None:
    [address] = [a for a in command.arguments if a.startswith(("$AIRFLOW", "http"))]
    path = urlsplit(address.replace("$AIRFLOW", "http://airflow")).path
    method = command.arguments[command.arguments.index("-X") + 1] if "-X" in command.arguments else "GET"
    routes = [(re.sub(r"{[^}]*}", "[^/]+", known), methods) for known, methods in _routes().items()]
    found = [methods for pattern, methods in routes if re.fullmatch(pattern, path)]
    assert any(method.lower() in methods for methods in found), f"{method} {path}"


@cache
def _routes() -> Mapping[str, Any]:
    folder = Path(airflow.__file__).parent / "api_fastapi"
    files = (
        "core_api/openapi/v2-rest-api-generated.yaml",
        "auth/managers/simple/openapi/v2-simple-auth-manager-generated.yaml",
    )
    found: dict[str, Any] = {f"{URL_PREFIX}{p}": m for p, m in create_app().openapi()["paths"].items()}
    for file in files:
        found |= yaml.load((folder / file).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["paths"]
    return found


@pytest.mark.parametrize("command", _typed(".venv/bin/pytest"), ids=str)
def test_files_of_tests_are_there(command: Command) -> None:
    for argument in command.arguments:
        assert not argument.startswith("tests/") or (ROOT / argument).exists(), argument


@pytest.mark.parametrize("command", _typed("export"), ids=str)
def test_a_setting_of_ours_is_read_somewhere(command: Command) -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "include").rglob("*.py"))
    for argument in command.arguments:
        name = argument.partition("=")[0]
        if name.startswith("DAYDREAMING_NOTIFY_"):
            name = name.removeprefix("DAYDREAMING_NOTIFY_").lower()
        assert not name.startswith("DAYDREAMING_") or name in source, argument


def test_code_in_a_here_document_compiles_and_imports_what_is_there() -> None:
    found = [b for b in all_blocks("sh") if "<<'END'" in b.text]
    assert found
    for block in found:
        code = block.text.split("<<'END'\n")[1].split("\nEND\n")[0]
        compile(code, str(block), "exec")
        imports = "\n".join(line for line in code.splitlines() if line.startswith(("import ", "from ")))
        exec(imports, {})


def test_every_link_leads_to_a_page_and_a_heading() -> None:
    broken = [f"{path.relative_to(ROOT)}: {link}" for path in documents() for link in _broken(path)]
    assert broken == []


def test_the_readme_leads_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT).as_posix() for path in documents() if path.name != "README.md"]
    assert [page for page in pages if f"]({page})" not in readme] == []


def _broken(path: Path) -> Iterator[str]:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
            yield link


@cache
def _anchors(path: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", h).lower()).replace(" ", "-")
        for h in headings
    }
