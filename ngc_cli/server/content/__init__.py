"""Contents by sha256: the store, how bodies are received and served, and the garbage collector."""
