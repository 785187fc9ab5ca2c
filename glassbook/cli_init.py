"""`glassbook init`: makes an exchange of brokers that somebody else runs."""

from typing import Annotated

import typer

from glassbook.data_folder import DataFolder
from glassbook.errors import GlassbookError
from glassbook.settings import read_settings
from glassbook.topics_admin import wait_for_brokers

HELP = """Make the topics, genesis and first markets on the brokers of GLASSBOOK_BOOTSTRAP_SERVERS.

`glassbook up` does this by itself; this is for brokers that run elsewhere, as in containers. Done again, it changes
nothing. The operator's key is made in GLASSBOOK_DATA_DIR the first time: without it nobody can list a market or book a
deposit.

Examples:

    GLASSBOOK_BOOTSTRAP_SERVERS=kafka.example:9092 glassbook init

    glassbook init --brokers 3 --wait 120
"""


def add_to(app: typer.Typer) -> None:
    app.command("init", help=HELP)(init)


def init(
    brokers: Annotated[int, typer.Option(min=1, help="How many there are: from 3 on, three copies.")] = 1,
    wait: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="So long until they all answer.")] = 60,
) -> None:
    from glassbook.new_exchange import make_exchange, make_topics

    settings = read_settings()
    try:
        wait_for_brokers(settings.bootstrap_servers, brokers, wait)
        said = make_topics(settings, brokers)
    except TimeoutError as error:
        raise GlassbookError(f"{error}: is GLASSBOOK_BOOTSTRAP_SERVERS right?") from error
    typer.echo(f"{settings.bootstrap_servers}: {said}")
    folder = DataFolder(settings.data_dir)
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        make_exchange(settings)
    except OSError as error:
        raise GlassbookError(f"can't write {folder.root} ({error.strerror}): set GLASSBOOK_DATA_DIR") from error
    typer.echo(f"genesis and markets stand on the log; the operator's key is in {folder.root / 'operator'}")
