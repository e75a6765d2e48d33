"""Use cases of orgs, teams and users."""
