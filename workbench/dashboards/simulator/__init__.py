"""The simulator page's parts: what is asked, how it is run, how it is drawn, written and carried away."""
