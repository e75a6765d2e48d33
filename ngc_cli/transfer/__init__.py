"""The transfer engine: moves files in both directions, in parallel, resumable, verified, in flat memory.

Shared by models, model-scripts and image layers. It knows no protocol: bytes come in through ``RemoteFile.open``
and go out through callables of the caller. Layers: ``parts`` (pure planning), ``private_folder`` (state that can
be trusted), ``owners`` and ``journal`` (files in the making), ``finished`` (what is there),
``tree`` (the destination folder), ``sink`` (a file in the making), ``manager`` (the pool), ``download`` and
``upload`` (the two directions).

For callers:

- ``download.download(files, folder, options, progress, cancel)`` fetches ``RemoteFile``s. ``RemoteFile.open(start,
  end)`` makes one request and returns a ``Body``; it renews expired links by itself. What it raises decides:
  NetworkError, ServerError and IntegrityError are tried again, anything else fails the file. ``verify_folder``
  re-hashes a folder, ``plan_download`` tells what is missing; both work without a request.
- ``upload.collect`` lists what to send, ``upload.hash_files`` hashes it, ``upload.send`` moves it by parts through a
  ``Protocol`` object of the caller, ``upload.UploadState`` remembers all that.
- ``cancel`` is an Event that the caller's signal handler sets; the functions return or raise ``Cancelled`` within
  about a second.

Decisions:

- State lives on the file system of the destination and never in the content folder itself, so that a finished part is
  renamed into place. It may have been planted there, so it is reached by descriptor and trusted only where nobody else
  can have put it (``private_folder``). When all files are there it is gone.
- What is remembered of finished files lies in the user's own home (``finished``); without it they are hashed again.
- Files in the making belong to one process. A dead owner's are taken over by an exclusive rename of the folder they
  are in, a living one's are left alone. So no locks are needed, which network file systems lack.
- A range is journalled after its bytes were handed to the kernel, without a sync: enough for ``kill -9``. After a
  power cut the digest decides; without a digest nothing from before it is continued.
- Every file is synced before it gets its name; names, and those of new folders, are synced at the end, for large files
  at once.
- An entity tag that changes starts a file over. In the second try the digest, where the server tells one, has the
  last word, since replicas of a server may give different tags to the same bytes.
"""
