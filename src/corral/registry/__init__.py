"""The registry: images and other artifacts, pushed and pulled over HTTP as the OCI distribution-spec 1.1.1 says.

`app.Registry` is the door. Blobs lie in the shared content store (`images.content`), what refers to them in a store of
records (`repositories`); everything is acknowledged only when it would survive a loss of power. Decisions are pure and
have files of their own: `names`, `routes`, `manifests`, `ranges`, `paging`, `retention`, `rights`.
"""
