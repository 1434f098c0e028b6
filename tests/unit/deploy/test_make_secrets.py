from __future__ import annotations

import re

import pytest
from cryptography.fernet import Fernet


@pytest.fixture(scope="module")
def make_secrets(script):
    return script("make_secrets")


@pytest.fixture
def folder(tmp_path, root):
    (tmp_path / ".env.example").write_text((root / ".env.example").read_text(encoding="utf-8"))
    return tmp_path


def settings(text):
    return dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))


def test_every_secret_gets_a_value_of_its_own_that_may_stand_in_a_url(make_secrets, folder):
    make_secrets.main(folder)
    made = settings((folder / ".env").read_text())
    values = [made[name] for name in make_secrets.SECRETS]
    assert len(set(values)) == len(values)
    assert all(len(value) >= 20 for value in values)
    urls = [value for name, value in made.items() if name.endswith(("_PASSWORD", "_SECRET"))]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", value) for value in urls)


def test_the_fernet_key_encrypts(make_secrets, folder):
    make_secrets.main(folder)
    key = settings((folder / ".env").read_text())["FERNET_KEY"]
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"text")) == b"text"


def test_two_deployments_share_no_secret(make_secrets, folder):
    example = (folder / ".env.example").read_text()
    first, second = (settings(make_secrets.fill(example)[0]) for _ in range(2))
    assert not {first[name] for name in make_secrets.SECRETS} & {second[n] for n in make_secrets.SECRETS}


def test_only_the_owner_may_read_the_file(make_secrets, folder):
    make_secrets.main(folder)
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600


def test_no_secret_is_printed(make_secrets, folder, capsys):
    make_secrets.main(folder)
    said = capsys.readouterr().out
    made = settings((folder / ".env").read_text())
    assert "FERNET_KEY" in said
    assert not [name for name in make_secrets.SECRETS if made[name] in said]


def test_a_second_time_changes_nothing(make_secrets, folder, capsys):
    make_secrets.main(folder)
    before = (folder / ".env").read_text()
    capsys.readouterr()
    make_secrets.main(folder)
    assert (folder / ".env").read_text() == before
    assert "nothing was changed" in capsys.readouterr().out


def test_what_a_person_set_stays_and_what_is_missing_is_added(make_secrets, folder):
    (folder / ".env").write_text("PORT=9000\nADMIN_PASSWORD=my-own\nJWT_SECRET=\nUNKNOWN=kept\n")
    make_secrets.main(folder)
    made = settings((folder / ".env").read_text())
    assert (made["PORT"], made["ADMIN_PASSWORD"], made["UNKNOWN"]) == ("9000", "my-own", "kept")
    assert all(made[name] for name in make_secrets.SECRETS)


@pytest.mark.parametrize(
    "line",
    ["export FERNET_KEY=mine", "  FERNET_KEY=mine", "FERNET_KEY =mine", "FERNET_KEY=mine\nFERNET_KEY="],
)
def test_a_key_that_is_set_is_the_only_one_however_it_is_written(make_secrets, line):
    text, made = make_secrets.fill("", f"{line}\nPORT=9000\n")
    assert "FERNET_KEY" not in made
    assert [one for one in text.splitlines() if "FERNET_KEY" in one] == [line.splitlines()[0]]
    assert make_secrets.fill("", text) == (text, [])


def test_comments_and_settings_of_the_example_are_all_there(make_secrets, folder):
    text, _ = make_secrets.fill((folder / ".env.example").read_text())
    example = (folder / ".env.example").read_text().splitlines()
    kept = [line for line in example if not line.endswith("=") or line[:-1] not in make_secrets.SECRETS]
    assert [line for line in kept if line not in text.splitlines()] == []
