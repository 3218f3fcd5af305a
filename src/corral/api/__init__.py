"""Translations of the wire APIs, nothing more: parse, call the engine, answer."""
