"""What makes the page's rows. This folder's code is remembered with its results; what only shows them lies beside."""
