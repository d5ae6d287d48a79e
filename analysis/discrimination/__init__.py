"""How well scores tell derived pairs from independent ones: AUC, ROC curves, and paired differences."""
