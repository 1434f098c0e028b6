import importlib
import logging
from types import SimpleNamespace

import pytest

from daydreaming.operators import preload
from daydreaming.triggers import triggerer


class Job:
    """Stands for airflow.jobs.job.Job, which the listener knows by name."""


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(preload, "importlib", SimpleNamespace(import_module=names.append))
    return names


def test_a_service_imports_what_its_children_need(imported: list[str]) -> None:
    preload.on_starting(Job())
    assert "airflow.sdk.definitions.decorators" in imported
    assert "daydreaming.operators.llm" in imported


def test_what_it_names_exists() -> None:
    for name in (*preload._MODULES, *preload._EXTRAS):
        importlib.import_module(name)


def test_a_task_process_imports_nothing(imported: list[str]) -> None:
    preload.on_starting(SimpleNamespace())
    assert imported == []


def test_a_broken_module_stops_no_service(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(preload, "_MODULES", ("daydreaming.no_such_module",))
    with caplog.at_level(logging.ERROR):
        preload.on_starting(Job())
    assert "could not load daydreaming.no_such_module ahead" in caplog.text


@pytest.mark.parametrize(("component", "times"), [(Job(), 1), (SimpleNamespace(), 0)])
def test_a_service_handles_calls_its_own_way(
    imported: list[str], monkeypatch: pytest.MonkeyPatch, component: object, times: int
) -> None:
    adapted: list[None] = []
    monkeypatch.setattr(triggerer, "adapt", lambda: adapted.append(None))
    preload.on_starting(component)
    assert len(adapted) == times


def test_a_triggerer_starts_where_airflow_has_changed(
    imported: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone() -> None:
        raise ImportError("handle_event_submit")

    monkeypatch.setattr(triggerer, "adapt", gone)
    with caplog.at_level(logging.ERROR):
        preload.on_starting(Job())
    assert "calls cost the triggerer what they need not" in caplog.text
    assert imported
