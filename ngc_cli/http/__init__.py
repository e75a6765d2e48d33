"""The HTTP layer: one session with time-outs, retries, proxies, custom CA and redaction for every path.

Decisions: redirects are followed here, not by requests, so that credentials never reach another origin; the
``.netrc`` file is never read (it would replace the bearer token); responses are always streamed.
"""
