"""The language of `replay search`: what is searched for as a value, and as people write it."""
