"""Many calls at once: the same prompt under many settings."""
