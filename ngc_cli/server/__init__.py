"""The embedded registry: a small server that speaks the NGC wire contract, installed by the extra ``local``.

Several processes may serve one registry: everything that must survive a request lives in the database (metadata,
the signing secret) or in the content store (bytes), nothing in a process. The layers, top down::

    command    the console script ngc-registry; serve and process run it, admin is what it does to orgs and keys
    app        builds the Starlette application out of the route tables of routes/
    serve      runs it: connections (slow or too many), log_limit
    endpoint   what every request goes through: authenticate, authorize, one transaction, one answer
    bodies     how much of a body is read, and from whom
    routes/    one module per noun: reads the request, asks the layers below, returns JSON
    uploads    files and image layers on their way in: one state machine for both
    artifacts/, images/, people/   what routes of one noun share: checks, queries, JSON objects
    auth/      the table of roles and actions; keys and tokens; scopes of the OCI API; signed links
    content/   bytes addressed by sha256: the store, receive, serve, gc
    metadata/  tables

The NGC API and the OCI API share ``/v2/``. What comes first there decides: a word of the NGC API (``API_WORDS`` of
``images/names.py``), or the name of an org, which is never such a word.
"""
