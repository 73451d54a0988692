"""Message to usage event or reject: decode, normalise, deduplicate, aggregate, keep the proof."""
