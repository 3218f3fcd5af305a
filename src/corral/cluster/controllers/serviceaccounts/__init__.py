"""Service accounts: each namespace has one of the name `default`."""
