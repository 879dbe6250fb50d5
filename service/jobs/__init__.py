"""Questions that are answered after the reply: submission, and the threads that answer."""
