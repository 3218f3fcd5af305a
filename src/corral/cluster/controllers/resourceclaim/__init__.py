"""Makes the ResourceClaims of pods that ask for one by a template."""
