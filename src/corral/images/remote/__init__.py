"""Remote: images on their way from and to registries, spoken to as the OCI distribution-spec 1.1 says.

::

    pull, push, login, search      what people ask for
        fetching, uploading        one blob, however often the connection breaks
            repository             the operations of the specification, on one repository
                session            one registry: who we are there, redirects, what its errors mean
                    wire           HTTP over connections that are kept

All below the first line is blocking and runs in threads: receiving, hashing, decompressing and writing release the
interpreter's lock, so they use all processors. Nothing here is imported before the first pull; `config` alone is.
"""
