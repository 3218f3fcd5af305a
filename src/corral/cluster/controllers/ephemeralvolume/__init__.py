"""Makes the claims of volumes that live as long as their pod."""
