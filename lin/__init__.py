"""lin: a content-addressed artifact store and lineage graph for machine learning."""

__version__ = "0.1.0"
