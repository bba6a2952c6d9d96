"""The git commit that a folder stands at, read from git's own files.

No git is started: a cloned repository may name programs that git would run. The layout of the files is that of
gitrepository-layout(5). Where they are kept otherwise (reftable), the commit is simply not known.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LARGEST: Final = 16 * 1024 * 1024


def commit_of(folder: Path) -> str | None:
    """The commit that HEAD means in the repository around ``folder``; None when there is none, or it cannot be told."""
    repository = next((found for parent in (folder, *folder.parents) if (found := _repository(parent / ".git"))), None)
    if repository is None:
        return None
    head = _text(repository / "HEAD")
    name = head.removeprefix("ref: ")
    if name == head or ".." in name or not name.startswith("refs/"):
        return _as_commit(head)
    # A worktree has its own HEAD, and shares the branches of the repository it belongs to.
    shared = (repository / (_text(repository / "commondir") or ".")).resolve()
    for place in (repository, shared):
        if commit := _as_commit(_text(place / name)):
            return commit
    packed = (line.split(" ", 1) for line in _text(shared / "packed-refs").splitlines())
    return next((_as_commit(line[0]) for line in packed if line[1:] == [name]), None)


def _repository(git: Path) -> Path | None:
    if git.is_dir():
        return git
    elsewhere = _text(git)
    if not elsewhere.startswith("gitdir: "):
        return None
    return git.parent / elsewhere.removeprefix("gitdir: ")


def _as_commit(text: str) -> str | None:
    return text if _COMMIT.fullmatch(text) else None


def _text(path: Path) -> str:
    """What stands in a small file, without the line end; nothing when it cannot be read."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return ""
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
