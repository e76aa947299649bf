"""`flask logs recount`: the sums behind the charts made right again."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from tests.log.test_rollups import assert_equal_to_the_rows, one_call
from webapp.log.batch import batch_of
from webapp.log.rollups_tables import days, fresh, hours, minutes, totals
from webapp.log.writer import write


def test_what_is_missing_is_added(app, runtime, clock):
    write(runtime.engine, batch_of([one_call(1, clock.now()), one_call(2, clock.now() - timedelta(hours=3))]))
    with runtime.engine.begin() as connection:
        for table in (minutes, hours, days, totals, fresh):
            connection.execute(delete(table))
    run = app.test_cli_runner()

    assert "sums were wrong and are right now." in run.invoke(args=["logs", "recount"]).output
    assert_equal_to_the_rows(runtime.engine)
    assert run.invoke(args=["logs", "recount", "--days", "30"]).output == "Every sum was right.\n"
