"""Deletes pods whose devices are tainted so that nobody may go on with them."""
