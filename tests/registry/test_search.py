"""Lists: few statements, however many services."""

from __future__ import annotations

from sqlalchemy import event

from webapp.registry.search import ServiceFilter, search


def test_a_list_asks_the_database_a_fixed_number_of_times(runtime, add):
    for number in range(12):
        add(name=f"Mail {number:02}")
    statements = []
    event.listen(runtime.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    with runtime.sessions() as session:
        page = search(session, runtime, ServiceFilter(limit=10))

    assert [found.service.service_name for found in page.items] == [
        f"Mail {number:02}" for number in range(10)
    ]
    assert all(set(found.secrets) == {"api_key"} and not found.unreadable for found in page.items)
    assert len(statements) == 3
