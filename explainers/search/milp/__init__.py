"""Questions as mixed-integer programs: what the engines for linear models and networks share."""
