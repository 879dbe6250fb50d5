"""Work on past rows: effects, fairness, other policies, graphs proposed and fused."""
