"""Tokens of service accounts in Secrets, for those who still ask for one that way."""
