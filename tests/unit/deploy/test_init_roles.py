"""The roles that `deploy/init.py` makes: each whole or not at all, and never changed afterwards.

The FAB auth manager is not in this environment: what stands for it has the same tables and commits where it
does. tests/compose/test_roles.py does the same with the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Column, ForeignKey, Integer, String, Table, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, relationship
from sqlalchemy.pool import StaticPool


class Base(DeclarativeBase):
    pass


_held = Table(
    "ab_permission_view_role",
    Base.metadata,
    Column("permission_view_id", ForeignKey("ab_permission_view.id")),
    Column("role_id", ForeignKey("ab_role.id")),
)


class Permission(Base):
    __tablename__ = "ab_permission_view"
    id = mapped_column(Integer, primary_key=True)
    action = mapped_column(String)
    resource = mapped_column(String)


class Role(Base):
    __tablename__ = "ab_role"
    id = mapped_column(Integer, primary_key=True)
    name = mapped_column(String, unique=True)
    permissions = relationship(Permission, secondary=_held)


class Manager:
    """What init asks of FAB's security manager."""

    role_model = Role

    def __init__(self, session: Session, known: set[str]) -> None:
        self.session = session
        self._known = known

    def find_role(self, name: str) -> Role | None:
        return self.session.scalars(select(Role).filter_by(name=name)).one_or_none()

    def get_action(self, name: str) -> str | None:
        return name if name in self._known else None

    get_resource = get_action

    def create_permission(self, action: str, resource: str) -> Permission | None:
        wanted = {"action": action, "resource": resource}
        found = self.session.scalars(select(Permission).filter_by(**wanted)).one_or_none()
        if found is None:
            found = Permission(**wanted)
            self.session.add(found)
            self.session.commit()
        return found


class DeathError(RuntimeError):
    """The container's end."""


@pytest.fixture(scope="module")
def init(script):
    return script("init")


@pytest.fixture
def known(init) -> set[str]:
    """Every action and resource."""
    return {name for pairs in init.roles().values() for pair in pairs for name in pair}


@pytest.fixture
def engine():
    made = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def start(init, engine, known) -> Callable[[], list[str]]:
    """A start of init, in a session of its own; returns what it made."""

    def make() -> list[str]:
        with Session(engine) as session:
            return init.make_roles(Manager(session, known))

    return make


@pytest.fixture
def dies(engine) -> Iterator[Callable[[int], None]]:
    """Has the next start die before the n-th statement that writes."""
    left = 0

    def count(conn, cursor, statement, *_) -> None:
        nonlocal left
        if left and statement.startswith("INSERT"):
            left -= 1
            if not left:
                raise DeathError

    def after(writes: int) -> None:
        nonlocal left
        left = writes

    event.listen(engine, "before_cursor_execute", count)
    yield after
    event.remove(engine, "before_cursor_execute", count)


def held(engine) -> dict[str, set[tuple[str, str]]]:
    """Pairs of action and resource by role, as they are in the database."""
    with Session(engine) as session:
        return {
            r.name: {(p.action, p.resource) for p in r.permissions} for r in session.scalars(select(Role))
        }


def test_every_role_is_made_with_its_permissions(init, engine, start):
    assert start() == list(init.roles())
    assert held(engine) == init.roles()


def test_wherever_init_dies_no_role_is_incomplete_and_the_next_start_makes_the_rest(
    init, engine, start, dies, monkeypatch
):
    few = {
        "First": {"can_read": ("DAGs", "Pools")},
        "Second": {"can_edit": ("DAGs",), "menu_access": ("Pools",)},
    }
    monkeypatch.setattr(init, "_ADDED_PERMISSIONS", few)
    died = 0
    while True:
        dies(died + 1)
        try:
            start()
        except DeathError:
            died += 1
        else:
            break
        assert held(engine).items() <= init.roles().items()
        dies(0)
        start()
        assert held(engine) == init.roles()
        Base.metadata.drop_all(engine)
        Base.metadata.create_all(engine)
    # Before each permission, and before each role and what it holds.
    assert died == 4 + 2 * len(few)


def test_what_an_admin_changed_stays(init, engine, start):
    start()
    with Session(engine) as session:
        session.delete(session.scalars(select(Role).filter_by(name="ExperimentEditor")).one())
        runner = session.scalars(select(Role).filter_by(name="ExperimentRunner")).one()
        taken = runner.permissions.pop()
        gone = (taken.action, taken.resource)
        session.commit()
    assert start() == ["ExperimentEditor"]
    assert held(engine) == init.roles() | {"ExperimentRunner": init.roles()["ExperimentRunner"] - {gone}}
    assert start() == []


def test_a_name_that_the_auth_manager_does_not_know_stops_init_before_a_role_is_made(
    init, engine, start, known
):
    known -= {"Plugins", "can_delete"}
    with pytest.raises(init.InitError, match="does not know Plugins, can_delete, so no role was made"):
        start()
    assert held(engine) == {}


def test_a_permission_that_cannot_be_made_stops_init_before_its_role_is_made(init, engine, known):
    with Session(engine) as session:
        manager = Manager(session, known)
        make = manager.create_permission
        manager.create_permission = lambda action, of: None if of == "Variables" else make(action, of)
        with pytest.raises(init.InitError, match="permissions of ExperimentEditor could not be made"):
            init.make_roles(manager)
    assert list(held(engine)) == ["ExperimentViewer", "ExperimentRunner"]
