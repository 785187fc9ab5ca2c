"""The trading commands without an exchange: help with examples, keys, and one clear line for each mistake."""

import pytest
import typer
from typer.testing import CliRunner, Result

from glassbook import cli_operator, cli_trading
from glassbook.client.keys import load_key_file
from glassbook.errors import GlassbookError
from glassbook.listing_generate import generate

app = typer.Typer()
cli_trading.add_to(app)
cli_operator.add_to(app)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a command with a key folder of its own, and no gateway anywhere."""
    monkeypatch.setenv("GLASSBOOK_KEYS_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("GLASSBOOK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GLASSBOOK_GATEWAY_PORT", "1")
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    return invoke


def commands() -> list[list[str]]:
    found: list[list[str]] = []

    def walk(command: typer.core.TyperGroup, path: list[str]) -> None:
        for name, child in command.commands.items():
            if isinstance(child, typer.core.TyperGroup):
                walk(child, [*path, name])
            else:
                found.append([*path, name])

    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    walk(group, [])
    return found


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(run, path):
    shown = run(*path, "--help")
    assert shown.exit_code == 0
    assert "Example" in shown.output
    assert f"glassbook {' '.join(path)}" in shown.output


def test_a_key_is_made_listed_and_shown(run, tmp_path):
    made = run("keys", "new")
    assert made.exit_code == 0, made.output
    account = load_key_file(tmp_path / "keys" / "default.json").account
    assert f"account     {account}" in made.output
    assert run("keys", "new", "web", "--kind", "p256").exit_code == 0
    listed = run("keys", "list").output
    assert account in listed
    assert "web" in listed
    assert account in run("keys", "show").output
    secret = (tmp_path / "keys" / "default.json").read_text().split('"private": "')[1][:43]
    assert secret not in made.output + listed + run("keys", "show").output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("keys show", "there is no key default"),
        ("keys show ../etc", "'../etc' is no name for a key"),
        ("keys revoke nobody", "there is no key nobody"),
        ("order buy A-USD 1", "give --price for a limit order, or --max-quote for a market order"),
        ("order buy A-USD --price 1", "say how much: QUANTITY is missing"),
        ("order sell A-USD", "say how much: QUANTITY is missing"),
        ("order sell A-USD 1 --price 2 --max-quote 3", "--max-quote goes with market orders"),
        ("order sell A-USD 1 --post-only", "a market order never rests"),
        ("order sell A-USD 1 --valid-for 5", "a market order never rests"),
        ("cancel", "say which: an order id, --client-order-id or --all"),
        ("cancel 1-1 --all", "say which"),
        ("cancel 1-1 --symbol A-USD", "--symbol goes with --all"),
        ("cancel 1-1 --after 5", "--after goes with --all"),
        ("cancel --all --symbol A-USD --after 5", "--after goes with --all, and is for all markets"),
        ("amend --quantity 1", "say which: an order id or --client-order-id"),
        ("balances", "no answer from the gateway on http://127.0.0.1:1"),
        ("candles A-USD --from yesterday", "'yesterday' is no time such as 2026-01-31 or 2026-01-31T09:30"),
        ("trades A-USD --to 2026-13-01", "'2026-13-01' is no time"),
        ("statement --from 1e9", "'1e9' is no time"),
        ("fills", "no answer from the gateway on http://127.0.0.1:1"),
        ("replay none.csv --symbol A-USD", "none.csv can't be read: No such file"),
    ],
)
def test_a_mistake_is_one_line(run, arguments, said):
    failed = run(*arguments.split())
    assert isinstance(failed.exception, GlassbookError)  # which `glassbook` shows as one line, with exit code 1
    assert said in str(failed.exception)
    assert "\n" not in str(failed.exception)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("order", 2),
        ("order buy", 2),
        ("keys new --kind rsa", 2),
        ("candles A-USD --interval 2m", 2),
        ("fills -n 0", 2),
        ("cancel --all --after -1", 2),
        ("cancel --all --after 86401", 2),
    ],
)
def test_wrong_usage(run, arguments, code):
    assert run(*arguments.split()).exit_code == code


def test_a_key_is_not_written_over(run):
    run("keys", "new")
    again = run("keys", "new")
    assert "there is a key default already" in str(again.exception)


def test_listing_check_and_generate(run, tmp_path):
    generated = run("listing", "generate", "--markets", "5", "--partitions", "2")
    assert generated.output == generate(5, 2)
    path = tmp_path / "five.toml"
    path.write_text(generated.output)
    assert "5 markets, nothing wrong" in run("listing", "check", str(path)).output
    path.write_text(generated.output.replace('tick = "0.01"', "tick = 0.01"))
    wrong = run("listing", "check", str(path))
    assert wrong.exit_code == 1
    assert wrong.output.count("tick: Expected `str`, got `float`") == 5
    assert "5 problems, nothing written" in wrong.output
