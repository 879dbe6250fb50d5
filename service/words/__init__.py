"""What a person reads, beside the sentences of explanations."""
