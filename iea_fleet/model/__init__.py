"""The nouns of the product: frozen values that validate themselves and do nothing else."""
