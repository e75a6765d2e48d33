"""The error that operators see; apart, so that the commands load nothing to catch it."""


class AdminError(Exception):
    """A request of the operator that cannot be met; one sentence."""
