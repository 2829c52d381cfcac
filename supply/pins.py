"""Write `constraints.txt` anew: every package that is installed, at one version, with the SHA-256 of each of its files.

A developer's tool, run as `make pins` after a change of the dependencies in pyproject.toml. What is in the file keeps its
version and its hashes; to move a package, take its lines out first. It needs nothing but Python: the resolver comes into a
folder that is thrown away. The file has no registry's address, so it holds wherever the packages are taken from.
"""

import subprocess
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "constraints.txt"
_RESOLVER = "uv==0.13.9"  # pinned since another version may write other markers, and so another file
# hatchling asks for it only when it builds an editable package, which pip finds out too late to check its hash
_EDITABLE = "editables"
_HEADER = "# Every package with the SHA-256 of each of its files. Written by `make pins`.\n"
RUNTIME = "# What the line runs on; a container has these alone, so compose.yaml looks for the next comment.\n"
EXTRAS = "# For the embedded stack and for development.\n"


def build_requirements() -> list[str]:
    """What an editable installation without build isolation finds installed."""
    system = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    return [*system["requires"], _EDITABLE]


def packages(text: str) -> dict[str, str]:
    """Name and whole entry of each package of a lock, an entry being its line and those of its hashes."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if line[:1].isalnum():
            name = line.partition("==")[0]
            found[name] = ""
        if not line.startswith("#"):
            found[name] += line
    return found


def versions(text: str) -> dict[str, str]:
    """The version of each package of a lock."""
    return {name: entry.partition("==")[2].split()[0] for name, entry in packages(text).items()}


def parted(resolved: str, runtime: set[str]) -> str:
    """The lock in two parts, each in the order of names: what `runtime` names, and the rest."""
    entries = sorted(packages(resolved).items())
    first = "".join(entry for name, entry in entries if name in runtime)
    rest = "".join(entry for name, entry in entries if name not in runtime)
    return _HEADER + RUNTIME + first + EXTRAS + rest


def resolve(resolver: Path, into: Path, *options: str) -> str:
    """Resolve pyproject.toml and the build's requirements for every platform and Python; what stands in `into` is kept."""
    command = [
        str(resolver),
        "pip",
        "compile",
        "pyproject.toml",
        "-",
        "--universal",
        "--quiet",
        "--output-file",
        str(into),
    ]
    plain = ["--no-config", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    asked = "\n".join(build_requirements())
    subprocess.run(
        [*command, *plain, *options], input=asked, text=True, cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    return into.read_text()


def main() -> None:
    """Write the lock."""
    with tempfile.TemporaryDirectory() as folder:
        bin_ = Path(folder, "tool", "bin")
        venv.create(bin_.parent, with_pip=True)
        subprocess.run([bin_ / "python", "-m", "pip", "install", "--quiet", _RESOLVER], check=True)
        full = Path(folder, "full.txt")
        full.write_text(LOCK.read_text())
        resolved = resolve(bin_ / "uv", full, "--extra", "stack", "--extra", "dev", "--generate-hashes")
        runtime = resolve(bin_ / "uv", Path(folder, "runtime.txt"), "--constraints", str(full))
    LOCK.write_text(parted(resolved, set(packages(runtime))))
    print(f"{len(packages(resolved))} packages, {len(packages(runtime))} of them for a container, into {LOCK.name}")


if __name__ == "__main__":
    main()
