"""The commit of the inventory's repository, from git's files, against git itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from iea_fleet.engine.git_commit import commit_of


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "inventory" / "offices").mkdir(parents=True)
    git(folder, "init", "--quiet")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "one")
    return folder


def test_wherever_git_keeps_it(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    below = repository / "inventory" / "offices"
    assert commit_of(repository) == commit_of(below) == head
    git(repository, "pack-refs", "--all")
    assert not (repository / ".git/refs/heads/main").exists()
    assert commit_of(below) == head
    git(repository, "checkout", "--quiet", "--detach")
    assert commit_of(below) == head
    git(repository, "worktree", "add", "--quiet", "-b", "topic/é", "../other")
    other = repository.parent / "other"
    git(other, "commit", "--quiet", "--allow-empty", "-m", "two")
    assert commit_of(other) == git(other, "rev-parse", "HEAD") != head
    git(other, "pack-refs", "--all")
    assert commit_of(other) == git(other, "rev-parse", "HEAD")


def test_without_a_commit_there_is_none(tmp_path: Path) -> None:
    assert commit_of(tmp_path) is None
    git(tmp_path, "init", "--quiet")
    assert commit_of(tmp_path) is None


@pytest.mark.parametrize(
    "head", ["", "ref: ../../secret", "ref: refs/../../secret", "ref: refs/heads/", "x" * 40, "\0"]
)
def test_odd_files_are_no_commit(tmp_path: Path, head: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(head)
    (tmp_path / "secret").write_text("d" * 40)
    assert commit_of(tmp_path) is None
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / ".git").write_text("gitdir: /nowhere/at/all")
    assert commit_of(tmp_path / "below") is None
