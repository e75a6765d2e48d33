"""Orgs, teams and users in the registry: their JSON objects."""
