"""The command line: parses, calls one service, shows the result. The only layer that prints."""
