"""Resource quotas: what objects count for, and which quotas they count in. Pure."""
