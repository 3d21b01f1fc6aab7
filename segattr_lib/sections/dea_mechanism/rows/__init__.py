"""What makes rows of a sample beside those of its maps. This folder's code is remembered with its results."""
