"""Pages of auditors: the record, what waits for review, the report."""
