"""Pictures drawn from captions, for the small model of images: what it is trained on, and what judges it."""
