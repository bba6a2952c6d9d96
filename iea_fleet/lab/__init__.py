"""A simulated network on loopback: workstations over real SSH, the IEA servers over real TLS."""
