"""The nouns of the workbench: frozen, standard library only."""
