"""What ``benchmarks/fingerprints.py`` is made of.

networks      the networks that are compiled, with seeded random weights
detectors     a detector's neck and a U-Net among them
command_line  ``python -m rdpass``, within this process
watching      what a build hands to TVM, and which tile each kernel has
nameless      the same library with its kernels numbered instead of named
libraries     fingerprints of compiled libraries, and
inspections   of ``inspect --json``, and
student       of a trained student
comparing     every difference between two files of fingerprints
"""
