"""The prompt: versioned templates, the byte-stable prefix, and the fence around what others wrote."""
