"""DiCE behind the contract of an engine: a baseline to compare with."""
