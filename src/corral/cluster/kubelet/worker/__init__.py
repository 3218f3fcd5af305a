"""One pod's worker: it looks, decides (`lifecycle/`), acts, and says how it stands (`status/`)."""
