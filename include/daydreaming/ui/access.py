"""Who may see the pages, and who may rate: what Airflow's auth manager says of the DAG."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast

from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, HTTPException, Request

from daydreaming.settings import DAG_ID

_may_read = cast("Callable[[Request, Any], None]", requires_access_dag("GET", param_dag_id=DAG_ID))
_may_edit = cast("Callable[[Request, Any], None]", requires_access_dag("PUT", param_dag_id=DAG_ID))


@dataclass(frozen=True)
class Visitor:
    """A logged-in Airflow user who may read the DAG.

    Attributes:
        user_id: As the auth manager knows the user; never shown.
        may_rate: Whether the user may edit the DAG.
    """

    user_id: str
    name: str
    may_rate: bool


def visitor(request: Request, user: GetUserDep) -> Visitor:
    """The user behind a request.

    Raises:
        HTTPException: 401 without a login; 403 where the user may not read the DAG.
    """
    _may_read(request, user)
    try:
        _may_edit(request, user)
    except HTTPException:
        may_rate = False
    else:
        may_rate = True
    return Visitor(str(user.get_id()), user.get_name(), may_rate)


VisitorDep = Annotated[Visitor, Depends(visitor)]


def rater(who: VisitorDep) -> Visitor:
    """The user behind a request that writes.

    Raises:
        HTTPException: 403 where the user may not edit the DAG.
    """
    if not who.may_rate:
        raise HTTPException(403, f"Rating is for users who may edit the DAG {DAG_ID}.")
    return who


RaterDep = Annotated[Visitor, Depends(rater)]
