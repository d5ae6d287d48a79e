"""The command line, a file a verb or group of verbs: it parses and prints, and other rooms do the work."""
