"""Every image of compose.yaml is pinned by `make image-digests`; a stub stands for Docker, since no registry is asked here."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from supply import digests

TEXT = digests.COMPOSE.read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
ANSWERS = """#!/bin/sh
[ "$1 $2 $3 $5 $6" = "buildx imagetools inspect --format {{.Manifest.Digest}}" ] || exit 2
echo "$4" >> "$0.asked"
echo "sha256:$(printf %s "$4" | sha256sum | cut -d ' ' -f 1)"
"""


def expected(image: str) -> str:
    """An image with the digest that the stub gives it."""
    return f"{image}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that gives each image a digest of its own, and notes what it was asked."""
    program = tmp_path / "docker"
    program.write_text(ANSWERS)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(digests, "PLACE", tmp_path / "compose.digests.yaml")
    return program


@pytest.mark.usefixtures("docker")
def test_every_service_is_pinned_by_its_image_or_by_what_it_is_built_on() -> None:
    assert digests.main() is None
    written = yaml.safe_load(digests.PLACE.read_text())["services"]
    assert written.keys() == SERVICES.keys()
    for name, service in SERVICES.items():
        if "build" not in service:
            assert written[name] == {"image": expected(service["image"])}
            continue
        bases = re.findall(r"FROM (\S+)", service["build"]["dockerfile_inline"])
        assert bases
        pinned = {base: f"docker-image://{expected(base)}" for base in bases}
        assert written[name] == {"build": {"additional_contexts": pinned}}


def test_an_image_is_asked_for_once(docker: Path) -> None:
    assert digests.main() is None
    asked = Path(f"{docker}.asked").read_text().split()
    assert len(asked) == len(set(asked)) == len({s["image"] for s in SERVICES.values() if "build" not in s}) + 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("#!/bin/sh\necho no such host >&2; exit 1\n", "python:.*no such host"),
        ("#!/bin/sh\necho latest\n", "not a digest.*latest"),
        (None, "docker is not installed"),
    ],
)
def test_nothing_is_written_when_a_digest_is_missing(
    docker: Path, monkeypatch: pytest.MonkeyPatch, answer: str | None, said: str
) -> None:
    if answer is None:
        docker.unlink()
        monkeypatch.setenv("PATH", str(docker.parent))
    else:
        docker.write_text(answer)
    assert re.search(said, digests.main() or "")
    assert not digests.PLACE.exists()


def test_digests_that_are_kept_are_of_the_images_of_today() -> None:
    if not digests.PLACE.exists():
        pytest.skip("compose.digests.yaml is not here: no registry was reached yet")
    named = set(re.findall(r"(\S+)@sha256:", digests.PLACE.read_text().replace("docker-image://", "")))
    bases = set(re.findall(r"^ *FROM (\S+)", TEXT, re.MULTILINE))
    assert named == bases | {service["image"] for service in SERVICES.values() if "build" not in service}
