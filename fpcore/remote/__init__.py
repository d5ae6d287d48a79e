"""Files on the Hugging Face hub, read by byte ranges into files with holes."""
