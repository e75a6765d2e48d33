"""Image repositories, which the OCI API and the NGC API change through the same functions.

Each function runs inside its caller's transaction.
"""
