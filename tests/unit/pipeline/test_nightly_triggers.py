from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from daydreaming.pipeline.nightly import nightly_triggers
from daydreaming.pipeline.plan import experiment_id_of, read_inputs
from daydreaming.settings import Settings

TOKYO, NEW_YORK = timezone(timedelta(hours=9)), timezone(timedelta(hours=-5))


@pytest.mark.parametrize(
    ("due", "date"),
    [
        (datetime(2026, 3, 1, 2, tzinfo=timezone.utc), "2026-03-01"),  # noqa: UP017
        (datetime(2026, 3, 1, 8, 59, tzinfo=TOKYO), "2026-02-28"),
        (datetime(2026, 3, 1, 9, 0, tzinfo=TOKYO), "2026-03-01"),
        (datetime(2026, 2, 28, 21, 0, tzinfo=NEW_YORK), "2026-03-01"),
    ],
)
def test_ids_are_made_of_name_and_utc_date(settings: Settings, due: datetime, date: str):
    assert nightly_triggers(settings, due) == (
        [
            {
                "trigger_run_id": f"nightly__demo_{date}",
                "conf": {"experiment": "demo", "experiment_id": f"demo_{date}"},
            }
        ],
        [],
    )


def test_the_second_run_of_a_night_has_the_same_ids(settings: Settings):
    night = datetime(2026, 3, 1, 2, tzinfo=TOKYO)
    assert nightly_triggers(settings, night) == nightly_triggers(settings, night + timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("schedule: [nightly", "not valid YAML"),
        ("schedule: hourly\n", "schedule must be nightly"),
        ("schedule: nightly\nk_max: many\n", "k_max must be a whole number"),
        ("schedule: nightly\nkmax: 3\n", "no parameter 'kmax'"),
        ("- nightly\n", "NAME: VALUE"),
    ],
)
def test_a_broken_file_is_reported_and_the_others_run(settings: Settings, text: str, problem: str):
    experiments = settings.inputs_root / "experiments"
    (experiments / "broken.yaml").write_text(text)
    (experiments / "zz_last.yaml").write_text("schedule: nightly\n")
    triggers, problems = nightly_triggers(settings, datetime(2026, 3, 1, tzinfo=TOKYO))
    assert [t["conf"]["experiment"] for t in triggers] == ["demo", "zz_last"]
    assert len(problems) == 1
    assert "experiments/broken.yaml" in problems[0]
    assert problem in problems[0]


@pytest.mark.parametrize(
    ("text", "conf"),
    [
        ("rejudge: true\nexperiment_id: demo\n", {"experiment": "zz"}),
        ("rejudge: true\n", {"experiment": "zz"}),
        ("rejudge: false\n", {"experiment": "zz", "experiment_id": "zz_2026-03-01"}),
        ("experiment_id: other\n", {"experiment": "zz", "experiment_id": "zz_2026-03-01"}),
    ],
)
def test_only_an_experiment_that_generates_is_new_each_night(settings: Settings, text: str, conf):
    (settings.inputs_root / "experiments/zz.yaml").write_text(f"schedule: nightly\n{text}")
    triggers, problems = nightly_triggers(settings, datetime(2026, 3, 1, 12, tzinfo=TOKYO))
    assert problems == []
    assert triggers[-1] == {"trigger_run_id": "nightly__zz_2026-03-01", "conf": conf}


def test_a_name_with_no_room_for_the_date_is_told_and_the_others_run(settings: Settings):
    for length in (89, 90):
        (settings.inputs_root / f"experiments/{'n' * length}.yaml").write_text("schedule: nightly\n")
    triggers, problems = nightly_triggers(settings, datetime(2026, 3, 1, 12, tzinfo=TOKYO))
    assert [len(t["conf"]["experiment"]) for t in triggers] == [4, 89]
    assert len(problems) == 1
    assert "may have at most 89 characters then; got 90" in problems[0]


def test_no_experiments_folder_is_no_trigger(settings: Settings):
    bare = Settings(settings.data_root, settings.data_root)
    assert nightly_triggers(bare, datetime(2026, 3, 1, tzinfo=TOKYO)) == ([], [])


def test_what_is_triggered_is_what_a_run_accepts(settings: Settings):
    [trigger], _ = nightly_triggers(settings, datetime(2026, 3, 1, 12, tzinfo=TOKYO))
    inputs = read_inputs(settings, trigger["conf"])
    assert experiment_id_of(inputs, trigger["trigger_run_id"]) == "demo_2026-03-01"
    assert "/" not in trigger["trigger_run_id"]
