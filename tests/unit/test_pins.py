"""`constraints.txt` locks all that is installed, and what installs reads it that way."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from supply import pins

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "constraints.txt").read_text()
RUNTIME_TEXT = TEXT.partition(pins.EXTRAS)[0]
LOCK, RUNTIME = pins.versions(TEXT), pins.versions(RUNTIME_TEXT)
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
DOCKERFILE: str = yaml.safe_load((ROOT / "compose.yaml").read_text())["x-line"]["build"]["dockerfile_inline"]
HASHES = ["--hash=sha256:" + digit * 64 for digit in "0123"]


def lacking(asked: list[str], lock: dict[str, str]) -> Iterator[str]:
    """The requirements that a lock does not meet."""
    for one in map(Requirement, asked):
        version = lock.get(canonicalize_name(one.name))
        if version is None or version not in one.specifier:
            yield f"{one}: locked is {version}"


def installing(text: str) -> list[str]:
    """The commands of a Makefile or Dockerfile that install with pip."""
    return re.findall(r"(?:\$\(PIP\)|pip) install [^&\n]*", text)


def test_the_lock_meets_what_pyproject_asks_for() -> None:
    asked = [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra), *pins.build_requirements()]
    assert list(lacking(asked, LOCK)) == [], "run `make pins`"


def test_a_container_has_what_it_runs_on_and_nothing_for_tests() -> None:
    assert list(lacking([*PROJECT["dependencies"], *pins.build_requirements()], RUNTIME)) == []
    extras = {canonicalize_name(Requirement(one).name) for extra in EXTRAS.values() for one in extra}
    assert RUNTIME.keys() & extras == set()


def test_every_package_is_at_one_version_with_hashes() -> None:
    for name, entry in pins.packages(TEXT).items():
        first, *hashes = [line.removesuffix(" \\") for line in entry.splitlines()]
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*( ; .+)?", first), first
        assert hashes, f"{name} has none"
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", one) for one in hashes), name
    assert len(re.findall(r"^[^# ]", TEXT, re.MULTILINE)) == len(LOCK), "one is there twice"


def test_the_lock_has_no_address_and_no_option() -> None:
    assert "://" not in TEXT
    assert not re.search(r"^-", TEXT, re.MULTILINE)


def test_a_lock_comes_apart_into_a_container_s_packages_and_the_others() -> None:
    b = f"b==2 ; sys_platform == 'win32' \\\n    {HASHES[0]} \\\n    {HASHES[1]}\n"
    resolved = f"{b}a==1 \\\n    {HASHES[2]}\nc==3 \\\n    {HASHES[3]}\n"
    lock = pins.parted(resolved, {"a", "c"})
    assert pins.versions(lock) == {"a": "1", "b": "2", "c": "3"}
    assert pins.versions(lock.partition(pins.EXTRAS)[0]) == {"a": "1", "c": "3"}
    assert lock.endswith(pins.EXTRAS + b)
    assert pins.parted(lock, {"a", "c"}) == lock


def test_a_container_installs_the_first_part_of_the_lock() -> None:
    cut = re.search(r"RUN (sed '.*' constraints\.txt) > (\S+)", DOCKERFILE)
    assert cut is not None
    said = subprocess.run(cut[1], shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said == RUNTIME_TEXT
    assert f"-r {cut[2]}" in DOCKERFILE


@pytest.mark.parametrize("text", [(ROOT / "Makefile").read_text(), DOCKERFILE], ids=["Makefile", "container"])
def test_all_is_installed_by_hash_as_wheels_and_then_the_project_alone(text: str) -> None:
    packages, project = installing(text.replace("\\\n", ""))
    assert "--require-hashes -r " in packages
    assert re.search(r"(export|ARG) PIP_ONLY_BINARY ?\??= ?:all:", text)
    assert "--no-deps --no-build-isolation -e ." in project
    assert re.search(r"(\$\(PIP\)|pip) check", text)
