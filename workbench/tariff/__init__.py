"""What things cost: catalogue files, checks, compiled rows of integers, the one formula. Pure."""
