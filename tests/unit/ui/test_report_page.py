from __future__ import annotations

import pytest

from daydreaming.pipeline.report import report_file
from tests.support.experiments import planned_run
from tests.support.finished import finished_run


def test_a_finished_experiment_shows_its_report_with_a_policy_of_its_own(site, settings):
    finished_run(settings)
    shown = site.get("/experiments/demo/report")
    assert 'src="/daydreaming/experiments/demo/report/file"' in shown.text
    assert "frame-src 'self'" in shown.headers["content-security-policy"]
    file = site.get("/experiments/demo/report/file")
    assert file.content == report_file(settings, "demo").read_bytes()
    assert file.headers.get_list("content-security-policy") == [file.headers["content-security-policy"]]
    policy = file.headers["content-security-policy"]
    assert "style-src 'unsafe-inline'" in policy
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert file.headers["x-content-type-options"] == "nosniff"
    assert "content-disposition" not in file.headers
    saved = site.get("/experiments/demo/report/file?download=true")
    assert saved.headers["content-disposition"] == 'attachment; filename="demo-report.html"'


def test_every_page_of_the_experiment_leads_to_its_report(site, settings):
    finished_run(settings)
    assert 'href="/daydreaming/experiments/demo/report"' in site.get("/experiments/demo/essays").text


def test_a_report_that_is_not_written_is_waited_for(site, settings):
    planned_run(settings)
    assert "The report is not written yet" in site.get("/experiments/demo/report").text
    assert site.get("/experiments/demo/report/file").status_code == 404


@pytest.mark.parametrize("path", ["report", "report/file"])
def test_an_unknown_experiment_has_no_report(site, path):
    assert site.get(f"/experiments/nobody/{path}").status_code == 404
