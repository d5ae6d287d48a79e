"""The simulation study: catalogs drawn from known populations, and what the procedures make of them."""
