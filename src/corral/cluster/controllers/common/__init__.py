"""What several controllers decide alike: about pods, whose they are, which go first, and how they are made."""
