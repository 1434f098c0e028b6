"""Write the software bill of materials of a lock, as CycloneDX JSON. `make sbom`.

Names, versions, hashes and package URLs are those of the lock, as cyclonedx-py reads them; licences are those
that the installed packages declare. What is written is checked against the schema of CycloneDX.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_SPECIFICATION = "1.6"
#: Run by the interpreter whose packages are asked: what they say of themselves, by name.
_ASK = """
import json
from importlib.metadata import distributions
fields = lambda found: {
    "version": found.version,
    "expression": found.metadata["License-Expression"] or "",
    "license": found.metadata["License"] or "",
    "classifiers": found.metadata.get_all("Classifier") or [],
}
print(json.dumps({found.name: fields(found) for found in distributions()}))
"""
_CLASSIFIER = "License :: "
#: Longer ones are the licence's whole text.
_MAX_NAME_CHARS = 100


def licences_of(package: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a package declares, as CycloneDX puts it: an SPDX expression, else names; empty for nothing.

    Args:
        package: ``expression``, ``license`` and ``classifiers`` of its metadata.
    """
    if package["expression"]:
        return [{"acknowledgement": "declared", "expression": package["expression"]}]
    found = [line for line in package["classifiers"] if line.startswith(_CLASSIFIER)]
    names = [line.rpartition(" :: ")[2] for line in found if not line.endswith("OSI Approved")]
    stated = package["license"].strip()
    if not names and stated and len(stated) <= _MAX_NAME_CHARS and "\n" not in stated:
        names = [stated]
    return [{"license": {"acknowledgement": "declared", "name": name}} for name in names]


def complete(bom: dict[str, Any], packages: Mapping[str, Mapping[str, Any]], version: str) -> dict[str, Any]:
    """The bill of a lock with licences, with the project as what it is about, and named by package URLs.

    Args:
        bom: As cyclonedx-py made it.
        packages: Metadata of the installed packages by name; one of another version says nothing.
        version: Of the project.
    """
    installed = {_normal(name): package for name, package in packages.items()}
    names = {component["bom-ref"]: component["purl"] for component in bom["components"]}
    components = []
    for component in bom["components"]:
        kept = {name: value for name, value in component.items() if name != "description"}
        package = installed.get(_normal(component["name"]))
        licences = licences_of(package) if package and package["version"] == component["version"] else []
        components.append(
            {**kept, "bom-ref": component["purl"], **({"licenses": licences} if licences else {})}
        )
    subject = {"type": "application", "bom-ref": "daydreaming", "name": "daydreaming", "version": version}
    return {
        **bom,
        "metadata": {**bom["metadata"], "component": subject},
        "components": components,
        "dependencies": [{"ref": "daydreaming", "dependsOn": sorted(names.values())}],
    }


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _printed(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own


def _check(text: str) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"Error: what was made does not keep to the schema of CycloneDX {_SPECIFICATION}: {problem}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the bill of one lock."""
    parser = argparse.ArgumentParser(description="Write the software bill of materials of a lock.")
    parser.add_argument("lock", type=Path, nargs="?", default=ROOT / "requirements.lock")
    parser.add_argument("--installed", required=True, help="the Python whose packages say their licences")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    options = [
        "--output-format=JSON",
        f"--spec-version={_SPECIFICATION}",
        "--output-reproducible",
        "--short-PURLs",
    ]
    made = json.loads(
        _printed(sys.executable, "-m", "cyclonedx_py", "requirements", *options, str(given.lock))
    )
    packages = json.loads(_printed(given.installed, "-c", _ASK))
    bom = complete(made, packages, packages["daydreaming"]["version"])
    text = json.dumps(bom, indent=1, sort_keys=True) + "\n"
    _check(text)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(text, encoding="utf-8")
    silent = [component["name"] for component in bom["components"] if "licenses" not in component]
    said = f"{len(silent)} of them declare no licence or are not installed here: {', '.join(silent)}"
    print(f"{given.output}: {len(bom['components'])} components; {said if silent else 'all with licences'}")  # noqa: T201


if __name__ == "__main__":
    main()
