"""Write `compose.digests.yaml`: each image of compose.yaml by its digest, for `docker compose --file` after compose.yaml.

Run as `make image-digests` where Docker reaches a registry. A tag can be moved to other contents, a digest cannot. The image
that ours is built on is pinned too: Compose takes a build context of that name for it.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = ROOT / "compose.yaml"
PLACE = ROOT / "compose.digests.yaml"
_HEADER = (
    "# The images of compose.yaml by digest. Written by `make image-digests`; to use it:\n"
    "#   docker compose --file compose.yaml --file compose.digests.yaml up --build --detach --wait\n"
)


def digest(image: str) -> str:
    """The digest that a registry has for a tag, of all platforms together.

    Raises:
        RuntimeError: Docker or the registry does not answer, or answers something else.
    """
    command = ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except FileNotFoundError as error:
        raise RuntimeError("docker is not installed here; run `make image-digests` where it is") from error
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"{image}: no digest, so nothing was written: {error.stderr.strip()}") from error
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", said):
        raise RuntimeError(f"{image}: not a digest, so nothing was written: {said}")
    return said


def override(compose: dict[str, Any]) -> dict[str, Any]:
    """The services of compose.yaml with what pins their image: the image itself, or what it is built on."""
    services: dict[str, Any] = {}
    found: dict[str, str] = {}

    def pinned(image: str) -> str:
        found[image] = found.get(image) or digest(image)
        return f"{image}@{found[image]}"

    for name, service in compose["services"].items():
        if "build" in service:
            bases = re.findall(r"^FROM +(\S+)", service["build"]["dockerfile_inline"], re.MULTILINE)
            contexts = {base: f"docker-image://{pinned(base)}" for base in bases}
            services[name] = {"build": {"additional_contexts": contexts}}
        else:
            services[name] = {"image": pinned(service["image"])}
    return {"services": services}


def main() -> str | None:
    """Write the file, or say why not."""
    try:
        pins = override(yaml.safe_load(COMPOSE.read_text()))
    except RuntimeError as error:
        return str(error)
    PLACE.write_text(_HEADER + yaml.safe_dump(pins, sort_keys=False, width=200))
    return None


if __name__ == "__main__":
    sys.exit(main())
