"""Write `artifacts.sha256` anew: resolve the versions below, download everything, note sizes and checksums.

A developer's tool, run as `python -m lakehouse.stack.pin` after a version here was changed.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from jgo.maven import MavenContext

from lakehouse.stack.artifacts import LIST, Pinned, sha256_of

# kafka-tools brings StorageTool; slf4j-simple writes to standard error, which is the server's log.
KAFKA = ("org.apache.kafka:kafka_2.13:4.3.1", "org.apache.kafka:kafka-tools:4.3.1", "org.slf4j:slf4j-simple:2.0.17")
# 476 is the newest Trino whose server is published as an artifact.
TRINO = ("io.trino:trino-server:tar.gz::476", "io.trino:trino-cli:jar:executable:476")
_HEADER = "# Pinned artifacts: SHA-256, bytes, group:artifact:packaging:classifier:version. Written by stack/pin.py.\n"


def resolve() -> list[str]:
    """The coordinates of all artifacts, Kafka's with everything that they need."""
    with TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), timeout=60)
        asked, needed = context.resolver.resolve([context.create_dependency(one) for one in KAFKA])
        jars = [f"{d.groupId}:{d.artifactId}:{d.type}:{d.classifier}:{d.version}" for d in (*asked, *needed)]
    return [*TRINO, *sorted(jars)]


def measure(coordinate: str) -> Pinned:
    """Download one artifact into a folder that is thrown away, and note what arrived."""
    with TemporaryDirectory() as folder:
        file = Pinned(coordinate, "", 0).download(Path(folder), lambda _size: None)
        return Pinned(coordinate, sha256_of(file), file.stat().st_size)


def main() -> None:
    """Write the list."""
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(measure, resolve()))
    LIST.write_text(_HEADER + "".join(f"{one.sha256} {one.size_bytes} {one.coordinate}\n" for one in found))
    print(f"{len(found)} artifacts, {sum(one.size_bytes for one in found) / 1e6:.0f} MB, into {LIST}")


if __name__ == "__main__":
    main()
