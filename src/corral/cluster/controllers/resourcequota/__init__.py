"""Resource quotas: what of each is used. Who would use too much is refused by admission."""
