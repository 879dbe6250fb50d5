"""What is kept of every question, and how it is shown, checked and asked again."""
