"""The retrieval pairs, and what is measured on them."""
