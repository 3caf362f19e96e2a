"""How long superseded snapshots stay, and who still reads them."""
