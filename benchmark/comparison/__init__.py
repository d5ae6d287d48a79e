"""One disputed pair, or one model and its candidate parents: what scores weigh, and what cannot be said."""
