"""Models and model-scripts in the registry: what may be said of them, and the queries that routes share."""
