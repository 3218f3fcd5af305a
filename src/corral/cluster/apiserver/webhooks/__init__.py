"""Webhooks: who is asked over HTTPS before an object is stored, or to convert it."""
