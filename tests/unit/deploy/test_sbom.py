"""The bill of materials of a lock: what is added to what cyclonedx-py reads of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

BOM = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "metadata": {"tools": {}},
    "components": [
        {
            "bom-ref": f"requirements-L{line}",
            "description": f"requirements line {line}: {name}=={version} --hash=sha256:00",
            "externalReferences": [
                {
                    "type": "distribution",
                    "url": f"https://pypi.org/simple/{name}/",
                    "hashes": [{"alg": "SHA-256", "content": "00" * 32}],
                }
            ],
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
            "type": "library",
        }
        for line, (name, version) in enumerate({"ruamel-yaml": "1.0", "click": "8.1", "numpy": "2.1"}.items())
    ],
    "dependencies": [{"ref": "requirements-L0"}],
}
NOTHING = {"version": "1.0", "expression": "", "license": "", "classifiers": []}


@pytest.fixture(scope="module")
def sbom(script):
    return script("sbom")


def names(licences):
    return [entry.get("expression") or entry["license"]["name"] for entry in licences]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"expression": "MIT AND (Apache-2.0 OR BSD-2-Clause)"}, ["MIT AND (Apache-2.0 OR BSD-2-Clause)"]),
        ({"classifiers": ["License :: OSI Approved :: BSD License", "Topic :: X"]}, ["BSD License"]),
        ({"classifiers": ["License :: OSI Approved"], "license": " MIT "}, ["MIT"]),
        ({"license": "Copyright (c) somebody\nPermission is hereby granted"}, []),
        ({"license": "word " * 40}, []),
        ({}, []),
    ],
)
def test_licences_are_those_that_a_package_declares(sbom, declared, expected):
    found = sbom.licences_of({**NOTHING, **declared})
    assert names(found) == expected
    assert all((entry.get("license") or entry)["acknowledgement"] == "declared" for entry in found)


def test_each_component_keeps_hashes_and_version_and_gets_the_licence_of_that_version(sbom):
    installed = {
        "ruamel.yaml": {**NOTHING, "expression": "MIT"},
        "click": {**NOTHING, "version": "8.0", "expression": "BSD-3-Clause"},
    }
    made = sbom.complete(BOM, installed, "1.2.3")
    yaml, click, numpy = made["components"]
    assert names(yaml["licenses"]) == ["MIT"]
    assert "licenses" not in click  # another version is installed, which says nothing of this one
    assert "licenses" not in numpy
    for given, component in zip(BOM["components"], made["components"], strict=True):
        assert component["bom-ref"] == component["purl"] == given["purl"]
        assert component["externalReferences"] == given["externalReferences"]
        assert "description" not in component
    assert made["metadata"]["component"]["version"] == "1.2.3"
    assert made["dependencies"] == [
        {"ref": "daydreaming", "dependsOn": sorted(c["purl"] for c in BOM["components"])}
    ]


def test_the_installed_packages_say_their_versions_and_licences(sbom):
    told = subprocess.run([sys.executable, "-c", sbom._ASK], capture_output=True, check=True)
    found = json.loads(told.stdout)
    assert found["daydreaming"]["expression"] == "Apache-2.0"
    assert found["pytest"]["version"] == pytest.__version__
