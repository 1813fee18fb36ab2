"""What is kept: the lineage database, content-addressed blobs, and the journal; every write goes through ``fsops``."""
