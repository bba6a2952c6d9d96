"""The same work as iea-fleet by paramiko alone, in its plain best style: what an operator would write in an evening.

    bench_bare.py JOB WORKSTATIONS THREADS read|push

Host keys are pinned and others refused, the key is loaded once, and each file is replaced by a rename. It keeps no
history, judges nothing, compares nothing before the rename, cannot fsync, and ends at the first workstation that
fails.
"""

from __future__ import annotations

import base64
import json
import secrets
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import paramiko

SETTINGS, VERSION = "connexion.properties", "version.properties"


def read(sftp: paramiko.SFTPClient, path: str) -> bytes:
    """A whole file."""
    with sftp.open(path, "rb") as file:
        return file.read()


def replace(sftp: paramiko.SFTPClient, path: str, content: bytes) -> None:
    """Put new content in place of a file, with its mode."""
    about = sftp.lstat(path)
    temporary = f"{path}.{secrets.token_hex(8)}"
    with sftp.open(temporary, "wxb") as file:
        # Without this each write waits for its answer, once more.
        file.set_pipelined(True)
        file.write(content)
    sftp.chmod(temporary, stat.S_IMODE(about.st_mode or 0o600))
    sftp.posix_rename(temporary, path)


def visit(job: dict[str, Any], workstation: dict[str, Any], key: paramiko.PKey, *, push: bool) -> bool:
    """Whether the settings of one workstation are, in the end, as they are wanted."""
    client = paramiko.SSHClient()
    kind, encoded = workstation["host_key"].split()
    host_key = paramiko.PKey.from_type_string(kind, base64.b64decode(encoded))
    address, port = workstation["address"], workstation["port"]
    client.get_host_keys().add(f"[{address}]:{port}", kind, host_key)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    with client:
        client.connect(
            address, port, job["user"], pkey=key, timeout=20, banner_timeout=20, allow_agent=False, look_for_keys=False
        )
        with client.open_sftp() as sftp:
            settings, version = (f"{workstation['root']}/{name}" for name in (SETTINGS, VERSION))
            found = read(sftp, settings)
            if not push:
                return bool(found == job["wanted"].encode("latin-1"))
            read(sftp, version)
            wanted = found
            for before, after in job["edits"]:
                wanted = wanted.replace(before.encode(), after.encode())
            if wanted != found:
                replace(sftp, settings, wanted)
                found = read(sftp, settings)
                read(sftp, version)
            return found == wanted


def main() -> None:
    """Visit all workstations with so many threads."""
    file, count, threads, what = sys.argv[1:]
    job = json.loads(Path(file).read_text())
    key = paramiko.Ed25519Key.from_private_key_file(job["key_file"])
    with ThreadPoolExecutor(int(threads)) as workers:
        visits = workers.map(lambda one: visit(job, one, key, push=what == "push"), job["workstations"][: int(count)])
        right = sum(visits)
    print(f"{right} of {count} as wanted")
    sys.exit(right != int(count))


if __name__ == "__main__":
    main()
