"""Audit every lock for known vulnerabilities with pip-audit. `make audit`.

It never passes where it could not look. pip-audit alone does: a release of which PyPI's advisory service says
nothing counts as one without advisories. So the service is first asked for a release that has some, and a
package that could not be looked up is a failure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
#: What pip-audit asks; its address is fixed there.
PYPI = "https://pypi.org/pypi"
#: A release that is known to be vulnerable: who reports nothing of it knows nothing.
KNOWN = ("pyyaml", "5.3")
NOT_AUDITED = "The locks count as not audited: nothing is said about them."
_PROBE_TIMEOUT_S = 30.0
_AUDIT_TIMEOUT_S = 1800.0


class NotAuditedError(Exception):
    """Nothing can be said of a lock; the message says why."""


class Finding(NamedTuple):
    """An advisory on a locked release.

    Attributes:
        fixed_in: Releases without it; empty where there is none.
    """

    package: str
    version: str
    advisory: str
    aliases: tuple[str, ...]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join((self.advisory, *self.aliases))
        return f"{self.package} {self.version}: {names}; fixed in {', '.join(self.fixed_in) or 'no release'}"


def check_source(url: str = PYPI) -> None:
    """Ask the advisory service for a release that it has to know something about.

    Raises:
        NotAuditedError: It does not answer, or knows no advisory.
    """
    address = f"{url}/{'/'.join(KNOWN)}/json"
    try:
        with urllib.request.urlopen(address, timeout=_PROBE_TIMEOUT_S) as reply:  # noqa: S310 - https, or a test's
            found = json.load(reply)
    except urllib.error.HTTPError as error:
        raise NotAuditedError(f"The advisory service answers {error.code} to {address}.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise NotAuditedError(f"The advisory service does not answer at {address}: {reason}.") from error
    if not (isinstance(found, dict) and found.get("vulnerabilities")):
        raise NotAuditedError(
            f"The advisory service knows no advisory on {' '.join(KNOWN)}, which has several."
        )


def read_report(text: str) -> tuple[list[Finding], int]:
    """What pip-audit found; and how many packages it looked up.

    Args:
        text: Its report in JSON.

    Raises:
        NotAuditedError: A package could not be looked up, or there is none.
    """
    packages: list[dict[str, Any]] = json.loads(text)["dependencies"]
    if not packages:
        raise NotAuditedError("pip-audit found no package in it.")
    if skipped := [package["name"] for package in packages if "skip_reason" in package]:
        raise NotAuditedError(
            f"{len(skipped)} of {len(packages)} packages could not be looked up: {', '.join(skipped[:5])}…"
        )
    findings = [
        Finding(
            package["name"],
            package["version"],
            found["id"],
            tuple(found.get("aliases", ())),
            tuple(found.get("fix_versions", ())),
        )
        for package in packages
        for found in package["vulns"]
    ]
    return findings, len(packages)


def audit(lock: Path, program: Sequence[str], ignored: Iterable[str]) -> tuple[list[Finding], int]:
    """Have pip-audit audit one lock.

    Args:
        lock: With a version and hashes for each package.
        program: How pip-audit is started.
        ignored: Advisories that were looked into, and do not count.

    Raises:
        NotAuditedError: It could not.
    """
    options = ["--strict", "--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json"]
    ignoring = [f"--ignore-vuln={advisory}" for advisory in ignored]
    command = [*program, "--vulnerability-service=pypi", *options, *ignoring, f"--requirement={lock}"]
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, capture_output=True, text=True, check=False, timeout=_AUDIT_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAuditedError(f"pip-audit did not run: {error}.") from error
    try:
        return read_report(done.stdout)
    except NotAuditedError as error:
        raise NotAuditedError(f"{lock.name}: {error}") from None
    except (ValueError, KeyError, TypeError):
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise NotAuditedError(
            f"{lock.name}: pip-audit gave up ({done.returncode}). It said: {said}"
        ) from None


def main(arguments: Sequence[str] | None = None, *, url: str = PYPI) -> int:
    """Audit all locks; returns the exit code: 0 clean, 1 findings, 2 not audited."""
    parser = argparse.ArgumentParser(description="Audit the locks for known vulnerabilities.")
    parser.add_argument("locks", nargs="*", type=Path, help="all locks of the repository by default")
    parser.add_argument("--program", nargs="+", default=[sys.executable, "-m", "pip_audit"])
    parser.add_argument(
        "--ignore", nargs="*", default=[], metavar="ADVISORY", help="known, and of no concern here"
    )
    given = parser.parse_args(arguments)
    findings: list[Finding] = []
    try:
        check_source(url)
        for lock in given.locks or sorted(ROOT.glob("requirements*.lock")):
            found, count = audit(lock, given.program, given.ignore)
            _say(f"{lock.name}: {count} packages, {len(found) or 'no'} known vulnerabilities")
            for finding in found:
                _say(f"  {finding}")
            findings += found
    except NotAuditedError as error:
        print(f"Error: {error} {NOT_AUDITED}", file=sys.stderr)  # noqa: T201 - a command
        return 2
    if given.ignore:
        _say(f"Not counted: {', '.join(given.ignore)}")
    return 1 if findings else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command


if __name__ == "__main__":
    sys.exit(main())
