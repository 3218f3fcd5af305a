"""Volumes: directories that outlive containers, shown inside several of them if need be."""

from corral.volumes.volumes import Volumes

__all__ = ["Volumes"]
