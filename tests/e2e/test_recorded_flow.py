"""Real NASDAQ order flow, sent as signed orders through the running system, gives the market's own fills."""

from pathlib import Path

from tests.e2e.conftest import RunCommand


def test_replay_gives_the_recorded_fills(glassbook: RunCommand, datasets: Path, tmp_path: Path) -> None:
    orders, fills, out = datasets / "amzn_orders.csv", datasets / "amzn_fills.csv", tmp_path / "fills.csv"
    done = glassbook("replay", str(orders), "--symbol", "AMZN-USD", "--expect", str(fills), "--fills", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = [line.split(",")[:4] for line in fills.read_text().splitlines()]
    got = [line.split(",")[:4] for line in out.read_text().splitlines()]
    assert got == wanted
    assert len(got) == 129
