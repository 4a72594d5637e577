"""What the comparison of reference networks needs beside ``rdpass.peers``: both graphs of each, ExecuTorch, ours."""
