"""Use cases of models and model-scripts: catalog, download, upload, and the documents that become metadata."""
