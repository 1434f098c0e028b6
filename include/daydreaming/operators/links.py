"""Links on mapped task instances in Airflow's UI, to the page that shows the essay, verdict or prompt.

The plugin registers them, so Airflow's API server makes their addresses when somebody opens an instance. A
link on the operator itself would be an XCom that each instance's worker has to push, and instances without a
worker would have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import attrs
from airflow.sdk import BaseOperatorLink

from daydreaming.settings import CALL_STAGES, DAG_ID

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

#: What a link may show, by stage of the instance; others have no such link.
_SHOWN = {"generation": ("essay", "prompt"), "evaluation": ("essay", "prompt", "verdict")}


@attrs.define(kw_only=True)
class CellLink(BaseOperatorLink):
    """A link to what one mapped instance asked, got, or judged; it opens within Airflow's page.

    Attributes:
        name: Text of the link.
        show: What it opens: ``essay``, ``prompt`` or ``verdict``.
        url_prefix: Where our pages are mounted, below Airflow's own address.
        frame: Route of the view that shows them within Airflow's own page.
    """

    name: str
    show: str
    url_prefix: str
    frame: str

    @property
    def operators(self) -> list[type[BaseOperator]]:  # type: ignore[override]
        """Those of both ways of dispatch; imported where Airflow looks for them, not with the plugin."""
        from daydreaming.operators.llm import LLMCallOperator, TriggererLLMCallOperator

        return [LLMCallOperator, TriggererLLMCallOperator]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's
        """Address of the page, for one mapped instance; '' where it has nothing of the kind.

        The two stages share their operators, so Airflow asks each for every link; it shows none for ''.
        """
        stage = CALL_STAGES.get(ti_key.task_id)
        if stage is None or ti_key.dag_id != DAG_ID or ti_key.map_index < 0 or self.show not in _SHOWN[stage]:
            return ""
        query = {
            "run_id": ti_key.run_id,
            "task_id": ti_key.task_id,
            "map_index": ti_key.map_index,
            "show": self.show,
        }
        # What stands below a view's route is the path of the page that its frame opens with.
        airflow = _airflow_path()
        return f"{airflow}/plugin/{self.frame}{airflow}{self.url_prefix}/cell?{urlencode(query)}"


def cell_links(url_prefix: str, frame: str) -> list[BaseOperatorLink]:
    """All links, for the plugin to register."""
    return [
        CellLink(name=show.capitalize(), show=show, url_prefix=url_prefix, frame=frame)
        for show in ("essay", "verdict", "prompt")
    ]


def _airflow_path() -> str:
    """Path that Airflow is mounted at. Its UI takes a path as an address of its own host."""
    from airflow.configuration import conf

    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
