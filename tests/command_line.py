"""`glassbook` commands for tests: each a process of its own, forked from one that has imported them all.

The import takes longer than most commands do. That `python -m glassbook` starts is tried in test_init.py and
test_cluster.py.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["glassbook.cli"])
TIMEOUT_S = 120.0


def run_glassbook(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: str = "", timeout_s: float = TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` gives it back. `environment` is added to ours."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "stdin").write_text(stdin)
        process = _forks.Process(target=_command, args=(list(arguments), os.environ | dict(environment), folder))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), timeout_s)
        output, errors = ((folder / stream).read_text() for stream in ("stdout", "stderr"))
        return subprocess.CompletedProcess(list(arguments), process.exitcode, output, errors)


def _command(arguments: list[str], environment: dict[str, str], folder: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["glassbook", *arguments]
    sys.stdin = (folder / "stdin").open()
    for stream, name in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), stream.fileno())
    from glassbook.cli import app

    app()
