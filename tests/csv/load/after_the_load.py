"""Checks and scripts after the rows are loaded."""
from csv_case import case


@case
def after_the_load(c):
    """Checks and merge scripts; what fails makes the load fail, and is all or nothing."""
    pattern = c.files(2, 50)
    (c.folder / "merge.sql").write_text("CREATE TABLE total AS SELECT count(*) AS n FROM t;\nINSERT INTO total VALUES (0);\n")
    (c.folder / "broken.sql").write_text("INSERT INTO total VALUES (1);\nINSERT INTO nowhere VALUES (1);\n")
    c.load(pattern, "--create", "--check", "SELECT count(*) = 100 FROM t", "--check", "SELECT * FROM t WHERE id < 0",
           "--merge", "merge.sql")
    c.equal("merged", [(100,), (0,)], c.rows("SELECT n FROM total"))
    summary, _ = c.load(pattern, "--check", "SELECT id, sku FROM t WHERE id = 7", wanted=1)
    c.has(summary["failure"], "SELECT id, sku FROM t WHERE id = 7", "sku=sku-7")
    summary, _ = c.load(pattern, "--merge", "broken.sql", wanted=1)
    c.has(summary["failure"], "broken.sql", "nowhere")
    c.equal("all or nothing", [(100,), (0,)], c.rows("SELECT n FROM total"))


@case
def merged_once(c):
    """A script runs again only when rows came since, or when it did not come to its end."""
    c.files(2, 50)
    (c.folder / "merge.sql").write_text("INSERT INTO total SELECT count(*) FROM t;\n")
    summary, _ = c.load("data/f000.csv", "--create", "--merge", "merge.sql", wanted=1)
    c.has(summary["failure"], "total")
    c.sql("CREATE TABLE total (n)")
    summary, _ = c.load("data/f000.csv", "--merge", "merge.sql")
    c.equal("what has failed runs again", ([(50,)], []), (c.rows("SELECT n FROM total"), summary["skipped_merges"]))
    summary, _ = c.load("data/f000.csv", "--merge", "merge.sql")
    c.equal("without new rows it does not", ([(50,)], ["merge.sql"]),
            (c.rows("SELECT n FROM total"), summary["skipped_merges"]))
    _, out, _ = c.run(*c.arguments("data/f000.csv", "--merge", "merge.sql"))
    c.has(out, "merge.sql was not run again, because no rows were added since it ran")
    c.load("data/deep/*.csv")
    c.load("data/**/*.csv", "--merge", "merge.sql")
    c.equal("rows came by a load without it", [(50,), (100,)], c.rows("SELECT n FROM total"))
    (c.folder / "merge.sql").write_text("INSERT INTO total VALUES (0);\n")
    c.load("data/**/*.csv", "--merge", "merge.sql")
    c.equal("another script", [(50,), (100,), (0,)], c.rows("SELECT n FROM total"))
