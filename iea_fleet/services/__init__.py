"""Clients of services that are no workstation: the Net-Entreprises authentication. The only room that imports httpx."""
