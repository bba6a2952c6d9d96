"""iea-fleet: configuration as code for networks of Impact emploi association workstations."""

__version__ = "0.1.0"
