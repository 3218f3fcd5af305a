"""The data that every part speaks: pure types, their defaults and their checks. No I/O."""
