"""Golden cases: price lists a person can read, run on the reference rater and on the engine."""
