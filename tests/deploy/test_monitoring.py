"""What wakes people up, and what they look at then: it fits the metrics there are, and itself."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from programs import program
from prometheus_client.parser import text_string_to_metric_families

from app.adapters.logs import Log
from app.adapters.metrics import Metrics, Watched
from app.adapters.observer import LogAndMetrics
from app.domain.failures import Failure, GatewayError
from app.services.records import RequestRecord

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "monitoring" / "prometheus"
DASHBOARD = ROOT / "deploy" / "monitoring" / "grafana" / "badges-bff.json"
RUNBOOK = (ROOT / "deploy" / "README.md").read_text().partition("\n## Runbook\n")[2]

# What Prometheus itself puts on each series; `up` is its own.
SCRAPED = {"namespace": {""}, "job": {""}, "instance": {""}}
KEYWORDS = {"and", "or", "unless", "bool", "offset"}
CLAUSE = re.compile(r"\b(?:by|on|group_left|group_right|ignoring|without)\s*\(([^)]*)\)")
SELECTOR = re.compile(r"(?<![\w:.$])([a-zA-Z_:][\w:]*)(?![\w:]*\s*\()\s*(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')

Series = dict[str, dict[str, set[str]]]


def read_rules(name: str) -> list[dict[str, Any]]:
    """Return all rules of a file."""
    groups = yaml.safe_load((RULES / name).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """Return all alerts."""
    return read_rules("alerts.yaml")


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    return json.loads(DASHBOARD.read_text())


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield every expression that people rely on, by where it stands."""
    for name in ("recording.yaml", "alerts.yaml"):
        for rule in read_rules(name):
            yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for annotation in dashboard()["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            metric, _, _ = variable["definition"].removeprefix("label_values(").rpartition(",")
            yield variable["name"], metric


def queries() -> Iterator[str]:
    """Yield the queries of the runbook: what is code there and names a metric of ours."""
    for code in re.findall(r"`([^`]+)`", RUNBOOK):
        if "badges_bff_" in code or "process_" in code:
            yield code


def used(expression: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the series that an expression reads, with what it wants their labels to be."""
    bare = re.sub(r"\[[^\]]*\]", "", CLAUSE.sub("", expression))
    for name, matchers in SELECTOR.findall(bare):
        if name not in KEYWORDS:
            yield name, dict(MATCHER.findall(matchers))


@pytest.fixture(scope="module")
def exposed() -> Series:
    """All series that can be read, with their labels and some values of these.

    Those of the service are there once each of its notices was given; then those of the rules.
    """
    metrics = Metrics()
    metrics.watch(Watched(**dict.fromkeys(Watched.__slots__, lambda: 0.0)))
    notice(LogAndMetrics(Log(log_format="json", level="error", stream=io.BytesIO()), metrics))
    for status in (200, 503):
        metrics.requests.ended(answered(status))
    series: Series = {"up": dict(SCRAPED)}
    for family in text_string_to_metric_families(metrics.expose("")[0].decode()):
        for sample in family.samples:
            labels = series.setdefault(sample.name, dict(SCRAPED))
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    recorded = (rule["record"] for rule in read_rules("recording.yaml"))
    return series | {name: {"namespace": {""}, "job": {""}} for name in recorded}


def answered(status: int) -> RequestRecord:
    """Make the record of a request that has all that is counted."""
    return RequestRecord(
        level="info",
        method="GET",
        route="/me/badges",
        request_id="r-1",
        status=status,
        cache="hit",
        age=1.0,
        problem="overloaded",
        webhook="taken",
    )


def notice(observer: LogAndMetrics) -> None:
    """Give the notices that make labelled series, each with the values that rules name."""
    for answered in (True, False):
        observer.store_asked("read", 0.01, answered=answered)
    observer.gateway_called("ok", 0.1)
    observer.gateway_answered(request_id=None, left_out=0, warnings=0)
    observer.gateway_retried(GatewayError(Failure.UNREACHABLE))
    observer.token_fetched()
    observer.token_failed(GatewayError(Failure.CREDENTIALS_REFUSED))
    observer.keys_failed("https://issuer")


def test_every_series_that_is_read_is_there(exposed: Series) -> None:
    """By name, in rules, dashboard and runbook; and every rule that counts is used."""
    reads = [(where, name) for where, text in expressions() for name, _ in used(text)]
    asked = [("runbook", name) for query in queries() for name, _ in used(query)]

    assert len(reads) > 100
    assert len(asked) > 20
    assert [(where, name) for where, name in reads + asked if name not in exposed] == []
    assert {rule["record"] for rule in read_rules("recording.yaml")} <= {name for _, name in reads}


def test_every_label_that_is_read_is_there(exposed: Series) -> None:
    """Wanted values are some that the label can have: bounds of buckets, failures, states."""
    wrong = [
        (where, name, label, value)
        for where, text in [*expressions(), *(("runbook", query) for query in queries())]
        for name, matchers in used(text)
        for label, value in matchers.items()
        if not fits(exposed[name].get(label), value)
    ]

    assert wrong == []


def fits(values: set[str] | None, wanted: str) -> bool:
    """Whether a matcher can match; a dashboard's variable matches what Prometheus adds."""
    if values is None or wanted.startswith("$"):
        return values == {""}
    return any(re.fullmatch(wanted, value) for value in values)


def test_sums_are_kept_apart_by_labels_that_are_there(exposed: Series) -> None:
    """Some series of the expression has each of them; so has what a legend or a summary names."""
    texts = [*expressions(), *(("runbook", query) for query in queries())]
    for where, text in texts:
        known = {label for name, _ in used(text) for label in exposed[name]}
        for clause in CLAUSE.findall(text):
            assert {label for label in re.split(r"[,\s]+", clause) if label} <= known, where
    for panel in panels():
        for target in panel["targets"]:
            named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            known = {label for name, _ in used(target["expr"]) for label in exposed[name]}
            assert named <= known, panel["title"]


def test_each_alert_has_an_entry_in_the_runbook_and_each_entry_an_alert() -> None:
    """The annotation leads to a heading; an entry says what it means, how to see, what to do."""
    entries = re.split(r"(?m)^#### (\w+)\n", RUNBOOK)[1:]
    texts = dict(zip(entries[::2], entries[1::2], strict=True))

    assert set(texts) == {alert["alert"] for alert in alerts()}
    for alert in alerts():
        anchor = alert["alert"].lower()
        assert alert["annotations"]["runbook"] == f"deploy/README.md#{anchor}"
    for name, text in texts.items():
        assert re.findall(r"(?m)^- \*\*(\w+)\*\*", text) == ["Means", "See", "Do"], name


def test_what_the_runbook_refers_to_is_there() -> None:
    """Other entries by their anchors, and events of the log by their names."""
    anchors = {alert["alert"].lower() for alert in alerts()}
    source = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    events = set(re.findall(r'event="(\w+)"', RUNBOOK))

    assert set(re.findall(r"\]\(#([\w-]+)\)", RUNBOOK)) <= anchors
    assert len(events) > 10
    assert {event for event in events if f'"{event}"' not in source} == set()


def test_an_alert_says_how_urgent_it_is() -> None:
    """A page or a ticket, and in one line what is the matter."""
    for alert in alerts():
        assert alert["labels"].keys() == {"severity"}
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert set(alert["annotations"]) == {"summary", "runbook"}
        assert "\n" not in alert["annotations"]["summary"]


def test_the_dashboard_takes_any_data_source() -> None:
    """It is a variable in each panel and target; no number of a certain Grafana stands in there."""
    board = dashboard()
    variable = board["templating"]["list"][0]
    sources = [item["datasource"] for item in [*panels(), *board["annotations"]["list"]]]
    sources += [target["datasource"] for panel in panels() for target in panel["targets"]]

    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    assert "id" not in board


def test_panels_have_units_and_places_of_their_own() -> None:
    """A number without a unit is a riddle at night; no panel hides another one."""
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        place = panel["gridPos"]
        cells = {
            (column, line)
            for column in range(place["x"], place["x"] + place["w"])
            for line in range(place["y"], place["y"] + place["h"])
        }
        assert max(column for column, _ in cells) < 24
        assert not taken & cells, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])


@pytest.mark.parametrize("name", ["recording.yaml", "alerts.yaml"])
def test_prometheus_takes_the_rules(name: str, run: Any) -> None:
    """Without duplicates and other doubts."""
    checked = run(program("promtool"), "check", "rules", "--lint-fatal", RULES / name)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_prometheus_takes_what_dashboard_and_runbook_ask(run: Any, tmp_path: Path) -> None:
    """As rules, with an interval where Grafana puts one."""
    asked = [text.replace("$__rate_interval", "5m") for _, text in expressions()]
    rules = [
        {"record": f"expression_{number}", "expr": text}
        for number, text in enumerate([*asked, *queries()])
    ]
    file = tmp_path / "asked.yaml"
    file.write_text(json.dumps({"groups": [{"name": "asked", "rules": rules}]}))

    checked = run(program("promtool"), "check", "rules", file)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", ["alerts_test.yaml", "objectives_test.yaml"])
def test_alerts_fire_when_they_should(name: str, run: Any) -> None:
    """Prometheus's own test of rules, with series made up for each case."""
    tested = run(program("promtool"), "test", "rules", RULES / name)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_each_alert_is_tested_firing_and_silent() -> None:
    """At each severity: some moment at which it is expected, another at which it is not."""
    firing, silent = set(), set()
    wanted = {(alert["alert"], alert["labels"]["severity"]) for alert in alerts()}
    for path in RULES.glob("*_test.yaml"):
        for case in yaml.safe_load(path.read_text())["tests"]:
            for moment in case["alert_rule_test"]:
                expected = {
                    (moment["alertname"], alert["exp_labels"]["severity"])
                    for alert in moment.get("exp_alerts", ())
                }
                firing |= expected
                silent |= {each for each in wanted if each[0] == moment["alertname"]} - expected

    assert firing == wanted
    assert silent == wanted
