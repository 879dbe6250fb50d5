"""What is told to others of its own accord: explained alarms, ends of jobs."""
