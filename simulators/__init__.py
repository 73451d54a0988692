"""Device fleets that know nothing about prices."""
