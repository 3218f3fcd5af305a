"""Declared, not commanded: objects in a store, and the parts that make the world look like them."""
