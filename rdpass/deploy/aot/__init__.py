"""A network as plain C calls into one arena of memory: a library that needs no runtime (``--runtime none``).

functions   TIR functions compiled to an object file of C functions
arena       where every map lies
network     all of this together
names       what all names in C begin with
source      the C that calls them, its header, and the weights
library     all of it linked into ``librdpass_model.a``
"""
