"""Who calls and what they may do: keys and tokens, roles, OCI scopes, signed links."""
