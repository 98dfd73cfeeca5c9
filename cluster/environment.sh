# What Ray, its jobs and a person's shell find on every node of a cluster: ~/.bashrc reads this file.
export PATH=$HOME/venv/bin:$PATH
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
export RAY_JOB_STOP_SIGNAL=SIGINT RAY_JOB_STOP_WAIT_TIME_S=60 # a stopped sweep closes its run in MLflow
export RAYDENSITY_DATA=$HOME/data # every node has a copy, in the folder where the driver has it
export MLFLOW_TRACKING_URI=http://127.0.0.1:5000
