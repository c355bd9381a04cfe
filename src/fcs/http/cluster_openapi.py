"""What the OpenAPI description says of the cluster as a whole."""

from collections.abc import Sequence
from typing import Any

from fcs.database.topology import ClusterReport
from fcs.http.cluster import ModeDocument
from fcs.http.operations import BODY_PROBLEMS, act

RECORDS = (ModeDocument, ClusterReport)


def cluster_paths(refs: Sequence[Any]) -> dict[str, Any]:
    """The path, from references to the schemas of `RECORDS`."""
    mode, report = refs
    return {
        "/cluster": {
            "get": act(
                "findCluster", "See how the cluster is led, by whom, and who else could",
                None, "200", report,
            ),
            "put": act(
                "changeCluster", "Let the cluster be led otherwise, while everything runs",
                mode, "200", report, *BODY_PROBLEMS, "limits_need_leader",
            ),
        },
    }  # fmt: skip
