"""Detectors over a whole fleet at once: a batch of readings goes in, per-device state is kept, suspicions come out."""
