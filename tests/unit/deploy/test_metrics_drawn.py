"""What the dashboard draws and the alerts watch is what the package and Airflow send, by the mapping."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import airflow
import pytest
import yaml

from daydreaming.triggers.metrics import METRICS
from tests.support.promql import Asked, read_expression

PREFIX = "airflow."
REGISTRY = Path(airflow.__file__).parent / "_shared/observability/metrics/metrics_template.yaml"
#: Beside the variables of a metric's old name; team_name and the like are left to Airflow.
MORE_TAGS = {"dagrun.duration.success": {"run_type"}, "dagrun.duration.failed": {"run_type"}}
#: Made by Prometheus for each target.
OF_PROMETHEUS = {"up": {"job", "instance"}}
SUFFIXES = {"counter": ("",), "gauge": ("",), "timer": ("_bucket", "_sum", "_count")}


@dataclass(frozen=True)
class Series:
    """A metric of Prometheus: what it is made of, and its labels."""

    kind: str
    labels: frozenset[str]


def sent() -> dict[str, tuple[str, set[str]]]:
    """What is sent, by its name in StatsD: kind and tags."""
    ours = {metric.name: (metric.kind, set(metric.tags)) for metric in METRICS}
    theirs = {
        metric["name"]: (
            metric["type"],
            set(metric.get("name_variables", [])) | MORE_TAGS.get(metric["name"], set()),
        )
        for metric in yaml.safe_load(REGISTRY.read_text(encoding="utf-8"))["metrics"]
    }
    return {PREFIX + name: metric for name, metric in (theirs | ours).items()}


def mappings(root):
    return yaml.safe_load((root / "deploy/metrics/statsd-mapping.yaml").read_text(encoding="utf-8"))[
        "mappings"
    ]


@pytest.fixture(scope="module")
def series(root) -> dict[str, Series]:
    """Metrics of Prometheus by name, as the exporter makes them of what is sent."""
    found = {name: Series("gauge", frozenset(labels)) for name, labels in OF_PROMETHEUS.items()}
    mapped = {mapping["match"]: mapping for mapping in mappings(root)}
    for name, (kind, tags) in sent().items():
        mapping = mapped.get(name, {})
        base = mapping.get("name", re.sub(r"[^A-Za-z0-9_]", "_", name))
        labels = frozenset(tags | set(mapping.get("labels", {})))
        for suffix in SUFFIXES[kind]:
            found[base + suffix] = Series(kind, labels | ({"le"} if suffix == "_bucket" else set()))
    return found


def expressions_of_the_alerts(root) -> list[tuple[str, str]]:
    groups = yaml.safe_load((root / "deploy/metrics/alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"]]


def dashboard(root) -> dict:
    return json.loads((root / "deploy/grafana/dashboards/daydreaming.json").read_text(encoding="utf-8"))


def expressions_of_the_dashboard(root) -> list[tuple[str, str]]:
    return [
        (panel["title"], target["expr"])
        for panel in dashboard(root)["panels"]
        for target in panel.get("targets", [])
    ]


def problems(asked: Asked, series: dict[str, Series]) -> list[str]:
    """What an expression asks for in vain."""
    found = []
    known: set[str] = set()
    for name, labels in asked.metrics:
        if name not in series:
            found.append(f"nothing sends {name}")
            continue
        known |= series[name].labels
        found += [f"{name} has no label {label}" for label in labels - series[name].labels]
    return found + [f"no label {label} to group by" for label in asked.grouped_by - known]


def test_a_name_or_label_that_nothing_sends_is_found(series):
    right = 'sum by (model) (rate(daydreaming_call_outcomes_total{outcome="answered"}[5m])) > 0.5'
    assert problems(read_expression(right), series) == []
    wrong = {
        right.replace("outcomes", "outcome"): "nothing sends daydreaming_call_outcome_total",
        right.replace("outcome=", "result="): "daydreaming_call_outcomes_total has no label result",
        right.replace("(model)", "(experiment)"): "no label experiment to group by",
        "daydreaming_call_latency_seconds": "nothing sends daydreaming_call_latency_seconds",
    }
    for expression, problem in wrong.items():
        assert problem in problems(read_expression(expression), series)
    with pytest.raises(ValueError, match=r"rates\(\) is not known"):
        read_expression("rates(daydreaming_call_retries_total[5m])")


def test_the_dashboard_draws_what_is_sent(root, series):
    expressions = expressions_of_the_dashboard(root)
    assert len(expressions) > 30
    found = {title: problems(read_expression(expr), series) for title, expr in expressions}
    assert {title: wrong for title, wrong in found.items() if wrong} == {}


def test_the_alerts_watch_what_is_sent(root, series):
    found = {name: problems(read_expression(expr), series) for name, expr in expressions_of_the_alerts(root)}
    assert len(found) >= 10
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_the_docs_say_what_to_do_for_each_alert(root):
    text = (root / "docs/monitoring.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", text.partition("## Alerts")[2], re.MULTILINE)
    assert told == [name for name, _ in expressions_of_the_alerts(root)]


def test_legends_and_variables_use_labels_that_are_there(root, series):
    board = dashboard(root)
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            asked = read_expression(target["expr"])
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= asked.grouped_by, panel[
                "title"
            ]
    for variable in board["templating"]["list"]:
        [(metric, label)] = re.findall(r"^label_values\((\w+), (\w+)\)$", variable["query"]["query"])
        assert label in series[metric].labels


def test_every_metric_of_ours_has_a_name_of_prometheus_with_its_unit(root):
    mapped = {mapping["match"]: mapping for mapping in mappings(root)}
    for metric in METRICS:
        mapping = mapped[PREFIX + metric.name]
        is_money = metric.name.endswith("_nanousd")
        base = metric.name.removesuffix("_nanousd").replace(".", "_")
        unit = {"timer": "_seconds"}.get(metric.kind, "_usd" if is_money else "")
        assert mapping["name"] == base + unit + ("_total" if metric.kind == "counter" else "")
        assert mapping.get("scale", 1) == (1e-9 if is_money else 1)
        assert mapping["help"]


def test_every_metric_of_ours_is_drawn(root):
    drawn = " ".join(expr for _, expr in expressions_of_the_dashboard(root))
    names = [m["name"] for m in mappings(root) if m["match"].startswith(PREFIX + "daydreaming.")]
    assert len(names) == len(METRICS)
    assert [name for name in names if name not in drawn] == []


def test_nothing_is_mapped_that_nobody_sends(root):
    assert {mapping["match"] for mapping in mappings(root)} - set(sent()) == set()


def test_panels_do_not_overlap_and_ask_the_datasource_that_is_provisioned(root):
    folder = root / "deploy/grafana/provisioning"
    [source] = yaml.safe_load((folder / "datasources/prometheus.yaml").read_text())["datasources"]
    taken: set[tuple[int, int]] = set()
    board = dashboard(root)
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert {target["datasource"]["uid"] for target in panel.get("targets", [])} <= {source["uid"]}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_compose_file_mounts_what_the_configurations_read(root, compose):
    services = compose["services"]
    mounts = {
        name: dict(volume.split(":")[1::-1] for volume in services[name]["volumes"])
        for name in ("prometheus", "grafana", "statsd-exporter")
    }
    config = yaml.safe_load((root / "deploy/metrics/prometheus.yaml").read_text())
    for file in config["rule_files"]:
        assert (root / mounts["prometheus"][file]).is_file()
    [provider] = yaml.safe_load(
        (root / "deploy/grafana/provisioning/dashboards/daydreaming.yaml").read_text()
    )["providers"]
    assert list((root / mounts["grafana"][provider["options"]["path"]]).glob("*.json"))
    assert services["grafana"]["profiles"] == ["metrics"]
    # The exporter and Prometheus find each other by these names.
    assert config["scrape_configs"][0]["static_configs"][0]["targets"] == ["statsd-exporter:9102"]


def test_airflow_sends_tags_and_no_old_names(compose):
    environment = compose["x-airflow-env"]
    assert environment["AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED"] == "true"
    assert environment["AIRFLOW__METRICS__LEGACY_NAMES_ON"] == "false"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.parametrize(
    "check",
    [
        ("check", "rules", "deploy/metrics/alerts.yaml"),
        ("test", "rules", "tests/unit/deploy/alerts.test.yaml"),
    ],
    ids=" ".join,
)
def test_prometheus_takes_the_rules_and_they_fire_when_they_should(root, check):
    done = subprocess.run(["promtool", *check], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
