from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shlex
from pathlib import Path

import asyncssh
import paramiko
import pytest
from labs import RunningLab

from iea_fleet.formats import format_named

RELAUNCH = "/impact-emploi/maintenance relancer"
STATE = "/impact-emploi/etat.properties"
SETTINGS = "/impact-emploi/connexion.properties"
WORKSTATION = "nancy-01"
_NEW = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_EXCL


def run(office: RunningLab, command: str, stdin: bytes = b"") -> asyncssh.SSHCompletedProcess:
    async def visit() -> asyncssh.SSHCompletedProcess:
        async with office.visit(WORKSTATION) as connection:
            process = await connection.create_process(command, encoding=None)
            # A program may have ended before it was given anything to read.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(stdin)
                process.stdin.write_eof()
            return await process.wait(timeout=20)

    return asyncio.run(visit())


def settings(office: RunningLab, secure: str = "O", address: str = "{url}", more: str = "") -> None:
    url = address.format(url=office.info.authentication_url, port=office.info.authentication_url.rpartition(":")[2])
    text = f"connexion.securisee={secure}\nserveur.authentification={url}\n{more}"
    office.file(WORKSTATION).write_text(text, "latin-1")


@pytest.mark.parametrize(
    ("secure", "address", "state", "motif"),
    [
        ("O", "{url}", "connecte", ""),
        ("O", "{url}/", "connecte", ""),
        ("O", "https://127.0.0.1:{port}", "connecte", ""),
        ("N", "{url}", "echec", "Le mode de connexion et l'adresse se contredisent"),
        ("O", "http://localhost:{port}", "echec", "Le mode de connexion et l'adresse se contredisent"),
        ("N", "http://localhost:{port}", "echec", "Réponse incompréhensible du serveur"),
        ("N", "http://localhost:80", "echec", "Connexion refusée"),
        ("O", "https://localhost:80", "echec", "Connexion refusée"),
        ("O", "https://localhost", "echec", "Connexion refusée"),
        ("O", "https://impact-emploi.urssaf.fr", "echec", "Serveur inconnu"),
        ("O", "https://192.0.2.1", "echec", "Connexion refusée"),
        ("O", "{url}/updates", "echec", "Réponse inattendue du serveur (405)"),
        ("O", "{url}/elsewhere", "echec", "Réponse inattendue du serveur (404)"),
        ("O", "{url}:80", "echec", "Adresse du serveur d'authentification incorrecte"),
        ("O", "{url} ", "echec", "Adresse du serveur d'authentification incorrecte"),
        ("O", "localhost", "echec", "Adresse du serveur d'authentification incorrecte"),
        ("O", "", "echec", "Adresse du serveur d'authentification incorrecte"),
        ("peut-être", "{url}", "echec", "Mode de connexion inconnu"),
    ],
)
def test_relaunch_does_what_the_settings_say(
    office: RunningLab, secure: str, address: str, state: str, motif: str
) -> None:
    settings(office, secure, address)
    # The opposite state first, so that it must really be written.
    other = b"etat=echec\nmotif=x\n" if state == "connecte" else b"etat=connecte\nmotif=x\n"
    office.file(WORKSTATION, STATE).write_bytes(other)
    assert run(office, RELAUNCH).exit_status == 0
    shown = format_named("properties").read(read(office, STATE), ["etat", "motif"], "latin-1")
    assert shown == {"etat": state, "motif": motif}


def read(office: RunningLab, path: str) -> bytes:
    async def visit() -> bytes:
        async with (
            office.visit(WORKSTATION) as connection,
            connection.start_sftp_client() as sftp,
            sftp.open(path, "rb") as file,
        ):
            return bytes(await file.read())

    return asyncio.run(visit())


@pytest.mark.parametrize(("fault", "state"), [("refused", "refus"), ("licence", "licence")])
def test_relaunch_with_a_server_that_says_no(office: RunningLab, fault: str, state: str) -> None:
    settings(office)
    office.break_(WORKSTATION, fault)
    assert office.state(WORKSTATION) == state
    office.file(WORKSTATION, STATE).write_bytes(b"etat=connecte\n")
    assert run(office, RELAUNCH).stdout == {"refus": b"refused\n", "licence": b"licence\n"}[state]
    assert office.state(WORKSTATION) == state
    office.mend(WORKSTATION)
    run(office, RELAUNCH)
    assert office.state(WORKSTATION) == "connecte"


def test_relaunch_in_assistance_mode_tries_nothing(office: RunningLab) -> None:
    settings(office)
    office.break_(WORKSTATION, "assistance")
    assert run(office, RELAUNCH).stdout == b"assistance\n"
    assert office.state(WORKSTATION) == "assistance"


def test_relaunch_without_settings_with_garbage_and_with_servers_down(office: RunningLab) -> None:
    office.file(WORKSTATION).unlink()
    run(office, RELAUNCH)
    assert office.state(WORKSTATION) == "echec"
    settings(office)
    run(office, RELAUNCH)
    assert office.state(WORKSTATION) == "connecte"
    office.break_("servers", "servers-down")
    run(office, RELAUNCH)
    assert office.state(WORKSTATION) == "echec"
    office.mend("servers")
    office.break_(WORKSTATION, "garbage")
    assert run(office, RELAUNCH).exit_status == 0
    assert office.state(WORKSTATION) == "echec"
    assert b"illisibles" in read(office, STATE)


@pytest.mark.parametrize(
    "command",
    [
        RELAUNCH,
        "'/impact-emploi/maintenance' 'relancer'",
        f"exec {RELAUNCH}",
        f"sh -c {shlex.quote(RELAUNCH)}",
        f"/bin/sh -c {shlex.quote(shlex.quote('/impact-emploi/maintenance') + ' relancer')}",
    ],
)
def test_a_command_line_is_read_as_a_shell_does(office: RunningLab, command: str) -> None:
    settings(office)
    ended = run(office, command, stdin=b"x" * 200_000)
    assert (ended.exit_status, ended.stdout, ended.stderr) == (0, b"connected\n", b"")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("ls /", 127),
        ("sh -c 'rm -rf /'", 127),
        ("'unbalanced", 127),
        ("/impact-emploi/maintenance", 2),
        (RELAUNCH + " vite", 2),
    ],
)
def test_other_commands_end_as_in_a_shell(office: RunningLab, command: str, code: int) -> None:
    ended = run(office, command)
    assert ended.exit_status == code
    assert ended.stderr


def test_files_are_served_as_openssh_serves_them(office: RunningLab) -> None:
    async def visit() -> None:
        async with office.visit(WORKSTATION) as connection, connection.start_sftp_client(sftp_version=3) as sftp:
            async with sftp.open("/impact-emploi/.new", _NEW, encoding=None) as file:
                await file.write(b"new\n")
                await file.fsync()
            await sftp.posix_rename("/impact-emploi/.new", SETTINGS)
            assert (await sftp.statvfs("/impact-emploi")).bavail > 0
            with pytest.raises(asyncssh.SFTPFailure, match="Failure"):
                await sftp.mkdir("/impact-emploi")
            with pytest.raises(asyncssh.SFTPNoSuchFile, match="No such file"):
                await sftp.stat("/nowhere")
            with pytest.raises(asyncssh.SFTPFailure):
                await sftp.open(SETTINGS, _NEW)
            await sftp.mkdir("/iea-fleet", asyncssh.SFTPAttrs(permissions=0o700))
            assert (await sftp.lstat("/iea-fleet")).permissions == 0o40700
            await sftp.chmod(SETTINGS, 0o640)
            await sftp.rmdir("/iea-fleet")
            assert await sftp.realpath(".") == "/"

    asyncio.run(visit())
    assert office.file(WORKSTATION).read_bytes() == b"new\n"
    assert office.file(WORKSTATION).stat().st_mode & 0o7777 == 0o640


def test_listings_show_the_number_of_links_as_ls_does(office: RunningLab) -> None:
    """Checked with paramiko, whose listing keeps the line that OpenSSH would write."""
    os.link(office.file(WORKSTATION), office.file(WORKSTATION, "/impact-emploi/second"))
    said = office.declared(WORKSTATION)
    kind, key = said["host_keys"][0].split()
    port = said["connection"]["port"]
    with paramiko.SSHClient() as client:
        pinned = paramiko.Ed25519Key(data=base64.b64decode(key))
        client.get_host_keys().add(f"[127.0.0.1]:{port}", kind, pinned)
        client.connect(
            "127.0.0.1",
            port,
            "iea-admin",
            key_filename=str(office.directory / "id_ed25519"),
            allow_agent=False,
            look_for_keys=False,
        )
        with client.open_sftp() as sftp:
            lines = {one.filename: one.longname.split() for one in sftp.listdir_attr("/impact-emploi")}
    assert lines["connexion.properties"][1] == lines["second"][1] == "2"
    assert lines["version.properties"][1] == "1"
    assert lines["version.properties"][0] == "-rw-r--r--"


def test_nothing_outside_the_workstation_can_be_reached(office: RunningLab, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("secret")
    office.file(WORKSTATION, "/impact-emploi/link").symlink_to(outside)
    office.file(WORKSTATION, "/impact-emploi/folder").symlink_to(tmp_path)
    office.file(WORKSTATION, "/impact-emploi/near").symlink_to("connexion.properties")

    async def visit() -> None:
        async with office.visit(WORKSTATION) as connection, connection.start_sftp_client() as sftp:
            for path in ("/impact-emploi/link", "/impact-emploi/folder/outside", "/../../../../etc/passwd"):
                with pytest.raises(asyncssh.SFTPNoSuchFile):
                    await sftp.open(path, "rb")
            with pytest.raises(asyncssh.SFTPError):
                await sftp.open("/impact-emploi/folder/new", "wb")
            with pytest.raises(asyncssh.SFTPError):
                await sftp.remove("/impact-emploi/folder/outside")
            assert await sftp.islink("/impact-emploi/link")
            async with sftp.open("/impact-emploi/near", "rb") as file:
                assert await file.read()
            await sftp.remove("/impact-emploi/link")

    asyncio.run(visit())
    assert outside.read_text() == "secret"
    assert list(tmp_path.iterdir()) == [outside]


def test_forwarded_connections_reach_the_lab_s_servers_alone(office: RunningLab) -> None:
    port = int(office.info.authentication_url.rpartition(":")[2])
    other = next(one.port for one in office.info.workstations)

    async def visit() -> list[tuple[int, str]]:
        async with office.visit(WORKSTATION) as connection:
            for host in ("localhost", "127.0.0.1"):
                _, writer = await connection.open_connection(host, port)
                writer.write(b"\x16\x03\x01")
                writer.close()
            refusals = []
            for host, there in (
                ("localhost", 80),
                ("127.0.0.2", port),
                ("localhost", other),
                ("example.org", 443),
                ("192.0.2.1", 443),
            ):
                with pytest.raises(asyncssh.ChannelOpenError) as refused:
                    await connection.open_connection(host, there)
                refusals.append((refused.value.code, refused.value.reason))
            office.break_("servers", "servers-down")
            with pytest.raises(asyncssh.ChannelOpenError) as refused:
                await connection.open_connection("localhost", port)
            refusals.append((refused.value.code, refused.value.reason))
            return refusals

    failed = asyncssh.OPEN_CONNECT_FAILED
    assert asyncio.run(visit()) == [
        (failed, "Connection refused"),
        (failed, "Connection refused"),
        (failed, "Connection refused"),
        (failed, "Name or service not known"),
        (failed, "Network is unreachable"),
        (failed, "Connection refused"),
    ]


@pytest.mark.parametrize("wrong", ["user", "key", "none"])
def test_one_user_with_one_key_comes_in(office: RunningLab, wrong: str) -> None:
    given = {
        "user": {"username": "root"},
        "key": {"client_keys": [asyncssh.generate_private_key("ssh-ed25519")]},
        "none": {"client_keys": None, "password": "iea-admin"},
    }[wrong]

    async def visit() -> None:
        async with office.visit(WORKSTATION, **given):
            pass

    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(visit())


def test_the_journal_tells_what_happened(office: RunningLab) -> None:
    settings(office)
    run(office, RELAUNCH)
    office.break_(WORKSTATION, "slow=1")
    journal = (office.directory / "lab.log").read_text()
    assert f"{WORKSTATION}: authentication relaunched: connected" in journal
    assert f"{WORKSTATION}: break slow=1" in journal
    assert "PRIVATE KEY" not in journal
    assert "Traceback" not in journal
