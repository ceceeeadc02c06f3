"""DuckDB on one thread: duckdb_csv.py count|sum|table FILE counts the rows, adds up the columns of numbers, or makes a table of all."""
import json
import sys
import time

import duckdb

task, file = sys.argv[1:]
database = duckdb.connect(config={"threads": 1})
source = f"""read_csv('{file}', header = true, delim = ',', quote = '"', escape = '"')"""
found = database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
numbers = [f'sum("{name}")' for name, kind, *_ in found if kind in ("BIGINT", "DOUBLE")]
query = {"count": f"SELECT count(*) FROM {source}",
         "sum": f"SELECT count(*), {', '.join(numbers)} FROM {source}",
         "table": f"CREATE TEMP TABLE all_of_it AS SELECT * FROM {source}"}[task]
begin = time.perf_counter()
rows, *sums = database.execute(query).fetchone()
print(json.dumps({"seconds": time.perf_counter() - begin, "version": duckdb.__version__, "rows": rows, "sum": float(sum(sums))}))
