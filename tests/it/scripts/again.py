"""Makes a node that was stopped do all its analysis again: again.py DATABASE

Scores, results and deliveries go, jobs are queued again under the times that they had. Reports of a later
revision wait until the first ones are there, since they name them.
"""

import sqlite3
import sys
import time

LATER_MS = 15_000

with sqlite3.connect(sys.argv[1]) as database:
    for table in ("delivery", "result", "prediction"):
        database.execute(f"delete from {table}")
    now = int(time.time() * 1000)
    database.execute(
        "update job set state = 'queued', attempts = 0, interruptions = 0, worker = null, lease_until = null, "
        "finished_at = null, run_at = case when kind = 'report' and revision > 1 then ? else created_at end "
        "where kind in ('predict', 'report')", (now + LATER_MS,))
