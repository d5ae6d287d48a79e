"""What a score weighs: likelihood ratios, alone and combined, and sets of candidate parents."""
