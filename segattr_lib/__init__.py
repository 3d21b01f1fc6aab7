"""Faithful segmentation attribution: methods, metrics and benchmarks behind the executable book."""
