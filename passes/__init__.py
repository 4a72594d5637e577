"""The passes, one deed a file.

graph     torch.fx graphs in canonical form, and the algebra of linear maps
analysis  shortcuts, memory and cost of such a graph
exact     removal of shortcuts without data
distill   shortcuts that fade, and branches that fold
prune     channels that leave
lowering  TVM Relax modules: kernels, layout, memory
tir       TIR functions, before machine code
"""
