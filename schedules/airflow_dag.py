"""Retraining every night as an Airflow DAG; this file, or a link to it, goes to the DAGs folder.

The DAG has one task, since the chain is one run with one verdict. Airflow 3, with the standard
provider; the project lies in ``~/quantline``, or where the variable ``QUANTLINE_PROJECT`` says.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param

PROJECT = os.environ.get("QUANTLINE_PROJECT") or str(Path.home() / "quantline")
REFUSED = 1  # the exit status of a candidate that did not pass its gate

with DAG(
    dag_id="quantline_retrain",
    schedule="30 2 * * *",
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params={"dataset_version": Param("3.0.1", type="string")},
) as dag:
    BashOperator(
        task_id="retrain",
        bash_command='"$PROJECT/schedules/retrain.sh" "dataset.tfds.version=$DATASET_VERSION"',
        env={"PROJECT": PROJECT, "DATASET_VERSION": "{{ params.dataset_version }}"},
        append_env=True,
        # Shown as skipped: not a failure, and not tried again. Any other status could not run.
        skip_on_exit_code=REFUSED,
        retries=2,
        retry_delay=timedelta(minutes=15),
        execution_timeout=timedelta(hours=4),
    )
