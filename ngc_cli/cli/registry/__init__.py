"""``ngc registry``: models, model-scripts and images."""
