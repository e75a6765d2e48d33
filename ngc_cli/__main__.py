"""``python -m ngc_cli`` is ``ngc``."""

from ngc_cli.main import run

run()
