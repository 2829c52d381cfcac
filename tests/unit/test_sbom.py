"""The bill of materials names packages and Maven artifacts, and is valid CycloneDX."""

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from lakehouse.stack.artifacts import Pinned, pinned
from supply import sbom

SHA = "5a" * 32
SERVERS = [
    Pinned("io.trino:trino-server:tar.gz::476", SHA, 1),
    Pinned("io.trino:trino-cli:jar:executable:476", SHA, 1),
    Pinned("org.apache.kafka:kafka_2.13:jar::4.3.1", SHA, 1),
]
PURLS = [
    "pkg:maven/io.trino/trino-server@476?type=tar.gz",
    "pkg:maven/io.trino/trino-cli@476?classifier=executable",
    "pkg:maven/org.apache.kafka/kafka_2.13@4.3.1",
]


@pytest.fixture
def document() -> dict[str, Any]:
    """An environment of two packages, as cyclonedx-py writes it."""
    packages = {"Jinja2==3.1.6": ["MarkupSafe==3.0.4"], "MarkupSafe==3.0.4": []}
    components = [
        {"type": "library", "bom-ref": ref, "name": ref.partition("==")[0], "version": ref.partition("==")[2]}
        for ref in packages
    ]
    needed = {"ref": "root-component", "dependsOn": ["Jinja2==3.1.6"]}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"bom-ref": "root-component", "type": "application", "name": "telecom-lakehouse"}},
        "components": components,
        "dependencies": [*({"ref": ref, "dependsOn": on} for ref, on in packages.items()), needed],
    }


def test_servers_are_added_with_coordinates_and_checksums(document: dict[str, Any]) -> None:
    found = json.loads(sbom.merged(document, SERVERS))
    assert [one["name"] for one in found["components"][:2]] == ["Jinja2", "MarkupSafe"]
    servers = found["components"][2:]
    assert [one["purl"] for one in servers] == PURLS
    assert [(one["group"], one["name"], one["version"]) for one in servers][2] == (
        "org.apache.kafka",
        "kafka_2.13",
        "4.3.1",
    )
    assert all(one["hashes"] == [{"alg": "SHA-256", "content": SHA}] for one in servers)


def test_the_project_needs_its_packages_and_the_servers(document: dict[str, Any]) -> None:
    found = {one["ref"]: one.get("dependsOn", []) for one in json.loads(sbom.merged(document, SERVERS))["dependencies"]}
    assert found["root-component"] == sorted(["Jinja2==3.1.6", *PURLS])
    assert found["Jinja2==3.1.6"] == ["MarkupSafe==3.0.4"]


def test_all_pinned_artifacts_make_a_valid_document(document: dict[str, Any]) -> None:
    text = sbom.merged(document, pinned())
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text.count('"alg": "SHA-256"') == len(pinned()) > 90


def test_a_document_that_is_no_cyclonedx_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no CycloneDX"):
        sbom.merged(document, [Pinned("io.trino:trino-server:tar.gz::476", "no checksum", 1)])


def test_the_same_input_gives_the_same_bytes(document: dict[str, Any]) -> None:
    assert sbom.merged(document, SERVERS) == sbom.merged(document, SERVERS)
    assert "serialNumber" not in sbom.merged(document, SERVERS)


def test_a_package_that_the_lock_does_not_have_is_named(document: dict[str, Any]) -> None:
    locked = (
        "jinja2==3.1.6 \\\n    --hash=sha256:00\nmarkupsafe==3.0.4 ; sys_platform != 'x' \\\n    --hash=sha256:00\n"
    )
    pip = {"type": "library", "bom-ref": "pip==26", "name": "pip", "version": "26"}
    assert sbom.unlocked({"components": [*document["components"], pip]}, locked) == []
    assert sbom.unlocked(document, locked.replace("3.1.6", "3.1.5")) == ["jinja2 3.1.6"]
    assert sbom.unlocked(document, locked.partition("markupsafe")[0]) == ["markupsafe 3.0.4"]
