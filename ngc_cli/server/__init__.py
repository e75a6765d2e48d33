"""The embedded registry: a small server that speaks the NGC wire contract, installed by the extra ``local``.

Several processes may serve one registry: everything that must survive a request lives in the database (metadata,
the signing secret) or in the content store (bytes), nothing in a process. The layers, top down::

    command   the console script ngc-registry
    app       builds the Starlette application out of the route tables of routes/
    calls     what every request goes through: who calls, may they, one transaction, one answer
    routes/   one module per noun: reads the request, asks the layers below, returns JSON
    admin     what an operator does to orgs, teams, users and keys
    images    what the OCI API and the NGC API of image repositories share; scopes: tokens of the OCI API
    collector reclaims what nothing uses any more
    access    the table role x action; identity: keys and tokens; signing: signed links
    metadata/ tables;  content  bytes addressed by sha256

The NGC API and the OCI API share ``/v2/``. What comes first there decides: a word of the NGC API (``API_WORDS`` of
``images``), or the name of an org, which is never such a word.
"""
