"""Ways to reach a workstation. The only room that imports paramiko; its exceptions stop at this door."""
