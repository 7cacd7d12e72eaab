"""Prints the instance rows of a node's database as JSON, [[SOP Instance UID, blob key], ...]: rows.py DATABASE"""

import json
import sqlite3
import sys

with sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True) as database:
    whole = database.execute("pragma integrity_check").fetchone()[0]
    if whole != "ok":
        sys.exit(f"the database is damaged: {whole}")
    json.dump(database.execute("select sop_instance, blob from instance").fetchall(), sys.stdout)
