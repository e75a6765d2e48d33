"""The transfer engine: moves files in both directions, in parallel, resumable, verified, in flat memory.

Shared by models, model-scripts and image layers. It knows no protocol: bytes come in through ``RemoteFile.open``
and go out through callables of the caller. Layers: ``parts`` (pure planning), ``journal`` (what is done so far),
``sink`` (a file in the making), ``manager`` (the pool), ``download`` and ``upload`` (the two directions).

Decisions:

- State lives in ``<dest>/.ngc-transfer/<key>/``, on the file system of the destination and never in the content
  folder itself, so that a finished part is renamed into place and nothing is written outside ``--dest``.
- A partial file belongs to one process; its name carries the owner. A dead owner's is taken over by an exclusive
  rename, a live one's is left alone. So no locks are needed, which network file systems lack.
- A range is journalled after its bytes were handed to the kernel, without a sync: enough for ``kill -9``. After a
  power cut the digest is what decides. Large files are synced before they get their name; small ones are checked
  by size and time on the next run.
"""
