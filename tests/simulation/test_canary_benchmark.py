"""`python -m benchmarks canary` in its shortest form. What it plays over the broker has tests of its own."""

import json

from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.canary import WAYS


def test_it_says_in_one_line_what_it_came_to(quiet_stages: None) -> None:
    sizes = ("--injections", "1", "--honest-orders", "40", "--speed-orders", "300")
    done = CliRunner().invoke(
        app, ["canary", "--json", *sizes, "--broker-injections", "0", "--broker-orders", "0"], catch_exceptions=False
    )
    assert done.exit_code == 0
    figures = json.loads(done.stdout)
    assert figures["kinds"] == figures["injected"] == figures["caught"] == figures["controls"] == len(WAYS)
    assert figures["honest_orders"] >= 40
    assert figures["false_alarms"] == 0
    assert figures["orders_per_s"] > 0


def test_kinds_can_be_tried_alone(quiet_stages: None) -> None:
    sizes = ("--injections", "2", "--honest-orders", "0", "--speed-orders", "0", "--kind", "3", "--kind", "9")
    done = CliRunner().invoke(
        app, ["canary", "--json", *sizes, "--broker-injections", "0", "--broker-orders", "0"], catch_exceptions=False
    )
    figures = json.loads(done.stdout)
    assert (done.exit_code, figures["kinds"], figures["caught"], figures["controls"]) == (0, 2, 4, 4)
    assert CliRunner().invoke(app, ["canary", "--kind", "23"]).exit_code == 2
