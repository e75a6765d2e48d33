"""Routes of the registry, one module per noun; each has a list ``ROUTES`` that ``server.app`` puts together."""
