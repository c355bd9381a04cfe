"""The proof: commands by which a stranger can check what fcs promises."""
