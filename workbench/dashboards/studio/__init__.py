"""The Studio: an offer built from blocks, with its YAML, its bill's shape and its checks beside it."""
