"""Recorded runs: what the book concludes from, kept in git, gone on with across days, and computed again by sample."""
