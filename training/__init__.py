"""Trains the small text model that ships in nbinfer's wheel."""
