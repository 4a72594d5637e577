"""How a shortcut is removed: exactly (``carry``) or by training (``migrate``). One recipe a file."""
