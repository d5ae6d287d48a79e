"""Other people's tools, judged by the same run: what they say of a pair of models is one more metric.

Each module holds metrics for ``python -m benchmark evaluate FILE.py:Class``; ``python -m studies.peers``
lists them, audits what is claimed for them, and turns the tables that tools export into score tables.
"""
