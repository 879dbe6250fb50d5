"""Japanese, です・ます調."""
