"""Use cases of container images: catalog, pull, push, login, and how to run what was pulled."""
