"""raydensity: how much of a neural network does training really use?

The engine (data, models, cohort, training, pruning, measures, experiment) needs neither Ray nor MLflow.
"""

import os

__version__ = "0.1.0"

# Nothing is sent home, and a tracker that is away costs seconds, not minutes. Read when mlflow is imported.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}.items():
    os.environ.setdefault(_name, _value)
