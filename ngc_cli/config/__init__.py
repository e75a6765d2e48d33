"""Settings: the official config file, the OS keyring, and what is in effect with where it came from.

Nothing here prints or opens a connection; the keyring is touched only when a key that it holds is asked for.
"""

from typing import Final

FORMATS: Final = ("ascii", "csv", "json")
"""Names of the output formats; ``ngc_cli.cli.formats`` has what each of them looks like."""
