"""``python -m ngc_cli.server``: the same as ``ngc-registry``."""

from ngc_cli.server.command import run

run()
