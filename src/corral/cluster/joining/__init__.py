"""How a machine becomes a node: a token vouches for it once, a certificate of its own from then on."""
