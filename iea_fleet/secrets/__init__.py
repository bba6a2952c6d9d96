"""Where secrets are kept. The only room that reads one."""
