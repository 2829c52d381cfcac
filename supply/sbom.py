"""Write `sbom.cdx.json`: the packages that are installed and the servers that come from Maven, as one CycloneDX document.

Run as `make sbom`. The packages with their licences and dependencies are read from the environment by cyclonedx-py; the
artifacts of `lakehouse/stack/artifacts.sha256` are added with their checksums. The same environment gives the same document,
byte for byte: it has no time and no serial number.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from lakehouse.stack.artifacts import Pinned, pinned
from supply.pins import LOCK, ROOT, versions

PLACE = ROOT / "sbom.cdx.json"
_SCHEMA = SchemaVersion.V1_6
_OF_PYTHON = {"pip", "setuptools"}  # an environment has them before anything of ours is installed


def installed() -> dict[str, Any]:
    """What cyclonedx-py says of the environment that runs this."""
    how = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--sv", _SCHEMA.to_version()]
    command = [sys.executable, "-m", "cyclonedx_py", "environment", *how, "-o", "-", sys.executable]
    document: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return document


def unlocked(document: dict[str, Any], lock: str) -> list[str]:
    """The packages of a document that the lock does not have at their version."""
    wanted = versions(lock)
    found = {canonicalize_name(one["name"]): one["version"] for one in document["components"]}
    return [f"{n} {v}" for n, v in sorted(found.items()) if wanted.get(n) != v and n not in _OF_PYTHON]


def component(artifact: Pinned) -> dict[str, Any]:
    """A Maven artifact as a component; the packaging `jar` is Maven's default and goes without saying."""
    group, name, packaging, classifier, version = artifact.coordinate.split(":")
    qualifiers = {"classifier": classifier, "type": "" if packaging == "jar" else packaging}
    purl = PackageURL("maven", group, name, version, qualifiers).to_string()
    hashes = [{"alg": "SHA-256", "content": artifact.sha256}]
    named = {"type": "library", "group": group, "name": name, "version": version}
    return {**named, "bom-ref": purl, "purl": purl, "hashes": hashes}


def merged(document: dict[str, Any], artifacts: Sequence[Pinned]) -> str:
    """The document with the artifacts in it, each needed by the project itself.

    Raises:
        ValueError: it is no CycloneDX.
    """
    servers = [component(one) for one in artifacts]
    root = document["metadata"]["component"]["bom-ref"]
    needed = [one for one in document["dependencies"] if one["ref"] == root]
    others = [one for one in document["dependencies"] if one["ref"] != root]
    refs = {ref for one in needed for ref in one.get("dependsOn", ())} | {one["bom-ref"] for one in servers}
    dependencies = [*others, {"ref": root, "dependsOn": sorted(refs)}, *({"ref": one["bom-ref"]} for one in servers)]
    whole = {**document, "components": [*document["components"], *servers], "dependencies": dependencies}
    text = json.dumps(whole, indent=1, sort_keys=True) + "\n"
    if wrong := JsonStrictValidator(_SCHEMA).validate_str(text):
        raise ValueError(f"{PLACE.name} would be no CycloneDX {_SCHEMA.to_version()}: {wrong}")
    return text


def main() -> str | None:
    """Write the document, or say why not."""
    document, artifacts = installed(), pinned()
    if strange := unlocked(document, LOCK.read_text()):
        return f"not as {LOCK.name} has it: {', '.join(strange)}; remove .venv, then `make setup` and `make sbom` again"
    PLACE.write_text(merged(document, artifacts))
    print(f"{len(document['components'])} packages and {len(artifacts)} Maven artifacts, into {PLACE.name}")
    return None


if __name__ == "__main__":
    sys.exit(main())
