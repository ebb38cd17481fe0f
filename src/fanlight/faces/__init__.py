"""The faces: each shows the same snapshot in its own way and formats values only with `fanlight.formats`."""
