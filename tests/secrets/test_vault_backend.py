"""A real OpenBao server, one that is sealed, one behind TLS, and servers that are none."""

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import hvac
import pytest
from openbao import ROOT_TOKEN, OpenBao, openbao

from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import EnvBackend, VaultBackend
from iea_fleet.secrets import Secrets
from iea_fleet.secrets.vault import TIMEOUT, _Vault


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IEA_TEST_TOKEN", ROOT_TOKEN)


def of(url: str, mount: str = "secret") -> Secrets:
    declared = VaultBackend(kind="vault", url=url, mount=mount, token="env:IEA_TEST_TOKEN")
    return Secrets({"vault": declared, "env": EnvBackend(kind="env", names=("IEA_TEST_TOKEN",))}, Path())


def refused(secrets: Secrets, reference: str = "vault:iea/x") -> SecretError:
    with pytest.raises(SecretError) as raised:
        secrets.get(reference)
    assert "CANARY" not in str(raised.value)
    assert raised.value.__cause__ is None
    return raised.value


def test_which_field_is_meant(vault: OpenBao) -> None:
    vault.put("iea/one", anything="CANARY-1")
    vault.put("iea/two", password="CANARY-2", user="dupont")
    vault.put("iea/three", value="CANARY-3", user="dupont")
    vault.put("iea/many", first="CANARY-4", second="CANARY-5")
    secrets = of(vault.url)
    assert secrets.get("vault:iea/one").get_secret_value() == "CANARY-1"
    assert secrets.get("vault:iea/two").get_secret_value() == "CANARY-2"
    assert secrets.get("vault:iea/two#user").get_secret_value() == "dupont"
    assert secrets.get("vault:iea/three").get_secret_value() == "CANARY-3"
    error = refused(secrets, "vault:iea/many")
    assert (error.code, error.hint) == ("secret_no_field", "write # and one of: first, second")
    assert refused(secrets, "vault:iea/many#third").hint == "write # and one of: first, second"


def test_values_that_are_no_text(vault: OpenBao) -> None:
    vault.put("iea/x", number=54, nothing="")
    assert refused(of(vault.url), "vault:iea/x#number").code == "secret_not_text"
    assert refused(of(vault.url), "vault:iea/x#nothing").code == "secret_empty"


def test_a_deleted_version_is_not_there(vault: OpenBao) -> None:
    vault.put("iea/gone", password="CANARY-1")
    vault.root.secrets.kv.v2.delete_latest_version_of_secret("iea/gone", mount_point="secret")
    secrets = of(vault.url)
    assert refused(secrets, "vault:iea/gone").code == "secret_missing"
    assert not secrets.exists("vault:iea/gone")


def test_a_version_that_will_be_deleted_is_there(vault: OpenBao) -> None:
    vault.root.secrets.kv.v2.update_metadata("iea/soon", mount_point="secret", delete_version_after="1h")
    vault.put("iea/soon", password="CANARY-1")
    assert of(vault.url).exists("vault:iea/soon")


def test_a_mount_that_is_not_there(vault: OpenBao) -> None:
    error = refused(of(vault.url, "kv"))
    assert error.code == "secret_missing"
    assert "`mount` (kv)" in error.hint


@pytest.mark.parametrize("path", ["../../sys/mounts", "a/../b", "a//b", "/a", "a/"])
def test_a_path_stays_under_its_mount(vault: OpenBao, path: str) -> None:
    assert refused(of(vault.url), f"vault:{path}").code == "secret_path"


def test_a_token_that_is_refused(vault: OpenBao, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IEA_TEST_TOKEN", "CANARY-wrong-token")
    error = refused(of(vault.url))
    assert error.code == "vault_token_refused"
    assert error.sentence == f"{vault.url} refused the token"


def test_a_token_that_may_not_read_this(vault: OpenBao, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.put("iea/x", password="CANARY-1")
    vault.put("iea/mine", password="CANARY-2")
    vault.root.sys.create_or_update_policy("mine", 'path "secret/data/iea/mine" { capabilities = ["read"] }')
    token = vault.root.auth.token.create(policies=["mine"])["auth"]["client_token"]
    monkeypatch.setenv("IEA_TEST_TOKEN", token)
    secrets = of(vault.url)
    error = refused(secrets)
    assert error.code == "vault_not_allowed"
    assert "secret/data/iea/x" in error.hint
    assert token not in str(error)
    assert secrets.get("vault:iea/mine").get_secret_value() == "CANARY-2"
    with pytest.raises(SecretError, match="does not let this token"):
        secrets.exists("vault:iea/mine")


def test_a_sealed_server(tmp_path: Path) -> None:
    with openbao(tmp_path) as server:
        server.root.sys.seal()
        assert refused(of(server.url)).code == "vault_sealed"


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with openbao(tmp_path, tls=True) as server:
        server.put("iea/x", password="CANARY-1")
        assert refused(of(server.url)).code == "vault_tls"
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
        assert of(server.url).get("vault:iea/x").get_secret_value() == "CANARY-1"


def test_a_server_that_is_down_is_not_asked_again(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        secrets = of(f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert refused(secrets).code == "vault_no_answer"
        taken.listen()
        taken.settimeout(0.2)
        assert refused(secrets, "vault:iea/y").code == "vault_no_answer"
        with pytest.raises(TimeoutError):
            taken.accept()


def test_a_server_that_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        backend = _Vault(url, "secret", hvac.Client(url, token=ROOT_TOKEN, timeout=0.3))
        with pytest.raises(SecretError) as raised:
            backend.get("iea/x", None)
        assert raised.value.code == "vault_timeout"
        assert str(TIMEOUT) in raised.value.sentence


@pytest.fixture
def no_vault() -> Iterator[tuple[str, list[str]]]:
    """A web server that is no Vault; the paths it was asked for."""
    asked = list[str]()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path.endswith("redirected"):
                self.send_response(307)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = b'["CANARY"]' if self.path.endswith("list") else b"<html>CANARY</html>"
            self.send_response(500 if self.path.endswith("broken") else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_said: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["html", "list", "broken", "redirected"])
def test_answers_of_something_else(no_vault: tuple[str, list[str]], path: str) -> None:
    url, asked = no_vault
    assert refused(of(url), f"vault:{path}").code == "vault_answer"
    assert asked == [f"/v1/secret/data/{path}"]
