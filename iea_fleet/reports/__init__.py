"""Matrix, plan and run as tables and documents. Pure functions and templates.

The modules that draw on a terminal import rich, so a command imports them when it draws.
"""
