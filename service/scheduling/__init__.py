"""Who may have how much, and when: threads, turns of hard searches, rates, shares."""
