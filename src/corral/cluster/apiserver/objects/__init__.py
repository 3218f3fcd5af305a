"""What all kinds have in common: names, versions, finalizers, deletion; the decisions are pure, `storage` acts."""
