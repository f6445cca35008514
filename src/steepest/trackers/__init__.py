"""Trackers of experiments: what a fit, or a loop that is recorded, shows at each step is sent on by a thread of its own.

sending.py       the thread: rows in batches, and again where they did not arrive
tensorboard.py   event files, as TensorBoard reads them
mlflow.py        a tracking server of MLflow's, by its REST interface
"""
