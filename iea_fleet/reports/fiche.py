"""The « fiche »: the checklist for the person at the window, where no tool can set the connection."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from jinja2 import Environment, StrictUndefined, Template

from iea_fleet.model.target import ServerConnection
from iea_fleet.reports.safe import printable

_TEMPLATE: Final = "fiche.txt.j2"


def fiche(target_name: str, office_title: str, server_connection: ServerConnection) -> str:
    """The checklist in French for one workstation, or for several that are named together.

    Window, box, marks and next steps are those of the publisher's fiche on the connection (« Lisez-moi V72 »,
    19 March 2019), which has three outcomes of the test, and is not to be begun while the scarabée rouge shows. A
    setting that the inventory does not ask for is left out.
    """
    addresses = (server_connection.authentication_url, server_connection.update_url)
    return _template().render(
        workstation=printable(target_name),
        office=printable(office_title),
        secure=server_connection.secure,
        authentication_url=server_connection.authentication_url,
        update_url=server_connection.update_url,
        no_port_80=not any(address and ":80" in address for address in addresses),
    )


@cache
def _template() -> Template:
    text = resources.files("iea_fleet.reports").joinpath("templates", _TEMPLATE).read_text(encoding="utf-8")
    # Plain text for a printer: nothing to escape.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701 - not HTML
    return environment.from_string(text)
