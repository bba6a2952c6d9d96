from __future__ import annotations

import multiprocessing
import subprocess
from pathlib import Path

import pytest

from iea_fleet.engine.known_hosts import keys_of
from iea_fleet.engine.trust import TrustStore, owners
from iea_fleet.errors import TrustError

ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF6rmJ+clrZe09PrbhyJgGa/JuMv5lslUxxaDT9yaWqA"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN9h/pKEa9sG/TBBbzK/siLi3PuzSbjPGwbnvIn3dNeR"
EC = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA=="


def test_what_was_accepted_is_there_and_reads_as_known_hosts(tmp_path: Path) -> None:
    store = TrustStore.of(tmp_path, "Réseau Grand Est")
    store.add("nancy-01", (ED,), "accepted 2026-11-21 by marie@poste")
    store.add("nancy-02", (OTHER, EC), "accepted")
    assert store.keys() == {"nancy-01": (ED,), "nancy-02": (OTHER, EC)}
    found = subprocess.run(
        ["ssh-keygen", "-F", "nancy-01", "-f", store.file], capture_output=True, text=True, check=True
    )
    assert ED in found.stdout


def test_a_changed_key_is_never_overwritten(tmp_path: Path) -> None:
    store = TrustStore.of(tmp_path, "x")
    store.add("nancy-01", (ED,), "")
    with pytest.raises(TrustError, match="another host key") as refused:
        store.add("nancy-01", (OTHER,), "")
    assert refused.value.code == "host_key_changed"
    assert store.keys() == {"nancy-01": (ED,)}
    assert store.remove("nancy-01") == 1
    store.add("nancy-01", (OTHER,), "")
    assert store.keys() == {"nancy-01": (OTHER,)}


def test_the_same_key_twice_and_another_type_are_no_change(tmp_path: Path) -> None:
    store = TrustStore.of(tmp_path, "x")
    store.add("nancy-01", (ED,), "")
    store.add("nancy-01", (ED, EC), "")
    assert store.keys() == {"nancy-01": (ED, EC)}
    assert len(store.file.read_text().splitlines()) == 2


def test_inventories_do_not_share_keys(tmp_path: Path) -> None:
    TrustStore.of(tmp_path, "one").add("nancy-01", (ED,), "")
    assert TrustStore.of(tmp_path, "two").keys() == {}


@pytest.mark.parametrize("name", ["../../etc", "a/b", ".", "Réseau Grand Est"])
def test_a_name_stays_in_the_folder(tmp_path: Path, name: str) -> None:
    assert TrustStore.of(tmp_path, name).file.resolve().parent == (tmp_path / "trust").resolve()


def test_a_damaged_store_is_an_error_with_its_line(tmp_path: Path) -> None:
    store = TrustStore.of(tmp_path, "x")
    store.add("nancy-01", (ED,), "")
    with store.file.open("a") as file:
        file.write("nonsense\n")
    with pytest.raises(TrustError, match=":2 is no host key"):
        store.keys()


def _add(folder: Path, number: int) -> None:
    TrustStore.of(folder, "x").add(f"nancy-{number:02}", (ED,), "")


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add, args=(tmp_path, number)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert [writer.exitcode for writer in writers] == [0] * 6
    assert len(TrustStore.of(tmp_path, "x").keys()) == 6


def test_owners_name_the_workstation_of_a_key() -> None:
    assert owners({"nancy-01": (ED,), "nancy-02": (OTHER, EC)})[OTHER.split()[1]] == "nancy-02"


@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize(("name", "port"), [("h.example.org", 22), ("h.example.org", 2222)])
def test_known_hosts_files_of_openssh_are_read(tmp_path: Path, hashed: bool, name: str, port: int) -> None:
    file = tmp_path / "known_hosts"
    host = name if port == 22 else f"[{name}]:{port}"
    file.write_text(
        f"# mine\n@revoked * {OTHER}\n{host},10.0.0.1 {ED} marie@poste\n*.example.org {OTHER}\n\n{host} {EC}\n"
    )
    if hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    assert keys_of(file.read_text(), ("nancy-01", name), port) == (ED, EC)
    assert keys_of(file.read_text(), ("nancy-01", name), 2200) == ()
