"""Makes the ResourceClaims of pods that ask for one by a template, and gives back what nobody uses."""
