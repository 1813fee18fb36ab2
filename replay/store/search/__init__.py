"""The search index of a store: made from the record, kept beside it, asked with SQL."""
