"""What can be found and how, as SQL: the cost of a search is that of its page, not of the catalogue.

``patterns`` turns a shell pattern of paths into conditions that an index can serve, ``sources`` knows the kinds of
things that can be found, ``terms`` keeps what filters compare with in a table of its own.
"""
