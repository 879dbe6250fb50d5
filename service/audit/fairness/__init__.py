"""Whether recourse is fair: what was recorded or asked anew, compared between groups and twins."""
