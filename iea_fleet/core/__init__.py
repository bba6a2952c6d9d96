"""What follows from what: targets, plans, drift, the matrix. Pure."""
