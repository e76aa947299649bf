"""Key files: written once for their owner, and refused with the exact reason when anything is odd."""

from __future__ import annotations

import base64
import logging
import os

import pytest

from webapp.vault import KeyRefused, keyfile
from webapp.vault.keyfile import DOCUMENTED_EXAMPLE, make_key, read_key, write_once

KEY = make_key()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "patchbay.key"
    write_once(path, KEY)
    return path


def replace(path, content):
    path.write_text(content)
    path.chmod(0o600)


def test_a_written_key_is_read_back(path):
    assert read_key(path) == KEY
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["patchbay.key"]


def test_an_existing_file_is_never_written_over(path):
    write_once(path, make_key())

    assert read_key(path) == KEY


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_once(tmp_path / "link", KEY)

    assert not (tmp_path / "target").exists()


def test_no_file_is_no_key(tmp_path):
    assert read_key(tmp_path / "none") is None


def test_bare_base64_is_a_key_too(path):
    replace(path, base64.b64encode(KEY).decode())

    assert read_key(path) == KEY


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_file_that_others_can_use_is_refused(path, mode):
    path.chmod(mode)

    with pytest.raises(KeyRefused, match=f"can be used by others \\(mode {mode:04o}\\); run chmod 600"):
        read_key(path)


def test_a_file_of_somebody_else_is_refused(path):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 12345, -1)

    with pytest.raises(KeyRefused, match="belongs to the user 12345"):
        read_key(path)


def test_a_link_is_refused(tmp_path, path):
    (tmp_path / "link").symlink_to(path)

    with pytest.raises(KeyRefused, match="is a symbolic link"):
        read_key(tmp_path / "link")


def test_a_directory_and_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)

    for odd in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(KeyRefused, match="not a regular file"):
            read_key(odd)


def one_typo(text):
    lines = text.splitlines()
    lines[2] = ("B" if lines[2][0] != "B" else "C") + lines[2][1:]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda _: "", "is empty"),
        (lambda text: text[:40], "is damaged: 3 words"),
        (one_typo, "typing error"),
        (lambda text: text.replace("patchbay-key-1", "patchbay-key-9"), "does not start with patchbay-key-1"),
        (lambda _: "schlüssel", "other than plain characters"),
        (lambda _: "not*base64", "not valid base64"),
        (lambda _: base64.b64encode(b"x" * 31).decode(), "31 bytes instead of 32"),
        (lambda _: base64.b64encode(b"x" * 32).decode(), "equal bytes"),
        (lambda _: base64.b64encode(DOCUMENTED_EXAMPLE).decode(), "example key"),
        (lambda _: "A" * 5000, "too long"),
    ],
)
def test_a_damaged_or_weak_key_is_refused(path, spoil, reason):
    replace(path, spoil(path.read_text()))

    with pytest.raises(KeyRefused, match=reason) as refused:
        read_key(path)
    assert str(path) in str(refused.value)
    assert base64.b64encode(KEY).decode() not in str(refused.value)


def test_a_mounted_file_may_be_wider_and_linked(tmp_path, path, monkeypatch, caplog):
    monkeypatch.setattr(keyfile, "MOUNTS", (tmp_path,))
    path.chmod(0o644)
    (tmp_path / "link").symlink_to(path)

    with caplog.at_level(logging.WARNING):
        assert read_key(tmp_path / "link") == KEY
    assert "can be used by others" in caplog.text
