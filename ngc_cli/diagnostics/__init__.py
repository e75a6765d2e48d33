"""Diagnostics that end a support ticket: facts of the machine and checks of the servers, as records.

``survey`` runs what a form asks for side by side and gives the findings in the guide's order; ``machine``,
``software``, ``server`` and ``account`` hold the collectors; ``redaction`` and ``bundle`` make a file to send.
A section that fails is a finding like any other: nothing here stops because one thing is broken.
"""
