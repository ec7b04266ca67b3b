"""What losses and models cost: FLOP and memory by formula, measured, and the paper's table."""
