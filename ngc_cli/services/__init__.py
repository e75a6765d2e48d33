"""Use cases: what a command does, with its collaborators passed in. No Typer, no printing, no requests."""
