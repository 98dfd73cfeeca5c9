"""raydensity: how much of a neural network does training really use?

The engine (data, models, cohort, training, pruning, measures, experiment) needs neither Ray nor MLflow.
"""

__version__ = "0.1.0"
