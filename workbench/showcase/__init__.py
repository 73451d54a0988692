"""The showcase: a made-up city, its customers and its offers, so that the whole path can be seen on real volume."""
