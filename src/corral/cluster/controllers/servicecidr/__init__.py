"""ServiceCIDRs: one that is used does not go."""
