"""Images: what containers are made from. An image is a configuration and a stack of layers, each named by its digest.

`library.Images` is the door. Bytes are checked against their digests, stored once, recorded in transactions, and
unpacked only inside a root that nothing in an archive can leave.
"""

from corral.images.library import Images
from corral.images.load import LayerProgress, Loaded, LoadEvent
from corral.images.removal import Removed

__all__ = ["Images", "LayerProgress", "LoadEvent", "Loaded", "Removed"]
