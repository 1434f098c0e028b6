"""The audit never passes where it could not look."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

ADVISORY = {
    "id": "PYSEC-2021-142",
    "aliases": ["CVE-2020-14343"],
    "fix_versions": ["5.4"],
    "description": "…",
}
CLEAN = {"name": "jinja2", "version": "3.1.6", "vulns": []}
VULNERABLE = {"name": "pyyaml", "version": "5.3", "vulns": [ADVISORY]}
SKIPPED = {
    "name": "attrs",
    "skip_reason": "Dependency not found on PyPI and could not be audited: attrs (26.1.0)",
}
KNOWING = (200, json.dumps({"info": {}, "vulnerabilities": [{"id": "PYSEC-2021-142"}]}))


@pytest.fixture(scope="module")
def audit(script):
    return script("audit")


@contextmanager
def service(status, body):
    """An advisory service that gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.path == "/pypi/pyyaml/5.3/json"
            self.send_response(status)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/pypi"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "requirements.lock"
    path.write_text("jinja2==3.1.6 --hash=sha256:00\n")
    return path


@pytest.fixture
def run(audit, lock, tmp_path, capsys):
    """Audit the lock with a program in pip-audit's place; the exit code and what is printed."""

    def run(packages, *options, url="", said="", code=0):
        program = tmp_path / "program.py"
        written = (
            packages if isinstance(packages, str) else json.dumps({"dependencies": packages, "fixes": []})
        )
        program.write_text(
            f"import sys\nopen({str(tmp_path / 'asked')!r}, 'w').write(' '.join(sys.argv[1:]))\n"
            f"print({written!r})\nprint({said!r}, file=sys.stderr)\nsys.exit({code})\n"
        )
        found = audit.main([str(lock), "--program", sys.executable, str(program), *options], url=url)
        return found, capsys.readouterr()

    return run


def test_a_lock_without_advisories_passes_and_is_counted(run, lock, tmp_path):
    with service(*KNOWING) as url:
        code, printed = run([CLEAN, {**CLEAN, "name": "click"}], url=url)
    assert code == 0
    assert printed.out == "requirements.lock: 2 packages, no known vulnerabilities\n"
    asked = (tmp_path / "asked").read_text()
    for option in ("--strict", "--require-hashes", "--disable-pip", f"--requirement={lock}"):
        assert option in asked


def test_an_advisory_fails_and_is_told_with_what_mends_it(run):
    with service(*KNOWING) as url:
        code, printed = run([CLEAN, VULNERABLE], url=url, code=1)
    assert code == 1
    assert "requirements.lock: 2 packages, 1 known vulnerabilities" in printed.out
    assert "  pyyaml 5.3: PYSEC-2021-142, CVE-2020-14343; fixed in 5.4" in printed.out


def test_what_was_looked_into_is_not_counted_and_said(run, tmp_path):
    with service(*KNOWING) as url:
        code, printed = run([CLEAN], "--ignore", "PYSEC-2021-142", url=url)
    assert code == 0
    assert "Not counted: PYSEC-2021-142" in printed.out
    assert "--ignore-vuln=PYSEC-2021-142" in (tmp_path / "asked").read_text()


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, "", "The advisory service answers 404 to http://127.0.0.1:"),
        (403, "no", "The advisory service answers 403 to http://127.0.0.1:"),
        (503, "<html>", "The advisory service answers 503 to http://127.0.0.1:"),
        (200, "<html>", "The advisory service does not answer at http://127.0.0.1:"),
        (200, "{}", "The advisory service knows no advisory on pyyaml 5.3, which has several."),
        (200, '{"vulnerabilities": []}', "The advisory service knows no advisory on pyyaml 5.3"),
    ],
)
def test_a_service_that_cannot_be_believed_is_a_failure_in_one_line(run, tmp_path, status, body, message):
    with service(status, body) as url:
        code, printed = run([CLEAN], url=url)
    assert code == 2
    assert printed.err.startswith(f"Error: {message}")
    assert printed.err.endswith("The locks count as not audited: nothing is said about them.\n")
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert not (tmp_path / "asked").exists()


def test_a_service_that_is_out_of_reach_is_a_failure_in_one_line(run):
    code, printed = run([CLEAN], url="http://127.0.0.1:1/pypi")
    assert code == 2
    assert printed.err.startswith("Error: The advisory service does not answer at http://127.0.0.1:1/pypi/")
    assert "Connection refused" in printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("packages", "said", "message"),
    [
        ([CLEAN, SKIPPED], "", "1 of 2 packages could not be looked up: attrs"),
        ([], "", "pip-audit found no package in it."),
        (
            "",
            "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed",
            "Could not connect to PyPI",
        ),
        ("No module named pip_audit", "", "pip-audit gave up (1). It said: nothing"),
    ],
)
def test_a_lock_that_could_not_be_looked_up_is_a_failure(run, packages, said, message):
    with service(*KNOWING) as url:
        code, printed = run(packages, url=url, said=said, code=1)
    assert code == 2
    assert printed.err.startswith("Error: requirements.lock: ")
    assert message in printed.err
    assert printed.out == ""


def test_all_locks_of_the_repository_are_audited(audit, root, monkeypatch):
    seen = []
    monkeypatch.setattr(audit, "check_source", lambda _: None)
    monkeypatch.setattr(audit, "audit", lambda lock, *_: (seen.append(lock.name), ([], 1))[1])
    assert audit.main([]) == 0
    assert set(seen) == {path.name for path in root.glob("requirements*.lock")}
    assert {"requirements.lock", "requirements-deploy.lock"} <= set(seen)
