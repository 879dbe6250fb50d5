"""What several test modules share: generated models, generated rules, and brute force."""
