"""The lineage database of release 0.1: read, checked, and written anew in today's tables."""
