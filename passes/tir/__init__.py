"""TIR function to TIR function, between scheduling and machine code."""
