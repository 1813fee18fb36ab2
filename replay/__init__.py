"""Rebuilds, reruns and judges recorded models."""
