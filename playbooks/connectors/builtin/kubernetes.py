"""Pods, workloads and nodes of a cluster, by an adapter. A workload or pod is named `namespace/name`."""

from __future__ import annotations

from playbooks.connectors.adapter import LONG, adapter, change, read
from playbooks.connectors.schemas import COUNT, FLAG, NAME, NAMES, TEXT
from playbooks.domain.actions import Undo

MEBIBYTES = {"type": "integer", "minimum": 1, "maximum": 16_777_216, "description": "MiB"}
REPLICAS = {"type": "integer", "minimum": 0, "maximum": 10_000}
SECONDS = {"type": "integer", "minimum": 0, "maximum": 3600}

CONNECTOR = adapter(
    "kubernetes",
    "Kubernetes cluster",
    read(
        "kubernetes.find_workload",
        "Find a workload",
        inputs={"workload": NAME},
        outputs={
            "workload": NAME,
            "known": FLAG,
            "replicas": REPLICAS,
            "ready": REPLICAS,
            "memory": MEBIBYTES,
        },
        example={"workload": "shop/cart", "known": True, "replicas": 3, "ready": 3, "memory": 512},
    ),
    read(
        "kubernetes.get_pod_metrics",
        "Read the memory and the processor use of a workload's pods",
        inputs={"workload": NAME},
        outputs={
            "workload": NAME,
            "pod": NAME,
            "memory_percent": COUNT,
            "cpu_percent": COUNT,
            "restarts": COUNT,
        },
        example={
            "workload": "shop/cart",
            "pod": "shop/cart-7d9f-x2",
            "memory_percent": 71,
            "cpu_percent": 40,
            "restarts": 0,
        },
    ),
    read(
        "kubernetes.collect_pod_evidence",
        "Collect log, events and manifest of a pod",
        inputs={"pod": NAME},
        outputs={"pod": NAME, "evidence": NAME, "sha256": TEXT},
        timeout=LONG,
        example={
            "pod": "shop/cart-7d9f-x2",
            "evidence": "evd-20418",
            "sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
        },
    ),
    change(
        "kubernetes.set_limits",
        "Set the memory limit of a workload",
        inputs={"workload": NAME, "memory": MEBIBYTES},
        outputs={"memory": MEBIBYTES, "previous_memory": MEBIBYTES},
        undo=Undo(
            "kubernetes.restore_limits",
            {
                "workload": "${ inputs.workload }",
                "memory": "${ outputs.previous_memory }",
                "expected": "${ inputs.memory }",
            },
        ),
        timeout=LONG,
        example={"workload": "shop/cart", "changed": True, "memory": 768, "previous_memory": 512},
    ),
    change(
        "kubernetes.restore_limits",
        "Put the memory limit of a workload back",
        inputs={"workload": NAME, "memory": MEBIBYTES, "expected": MEBIBYTES},
        outputs={"memory": MEBIBYTES},
        undo="The workload has its old limit; kubernetes.set_limits sets another one.",
        timeout=LONG,
        example={"workload": "shop/cart", "changed": False, "memory": 512},
    ),
    change(
        "kubernetes.restart_workload",
        "Restart the pods of a workload, one after the other",
        inputs={"workload": NAME},
        undo="The old pods are gone; the workload runs in new ones.",
        timeout=LONG,
        example={"workload": "shop/cart", "changed": True},
    ),
    change(
        "kubernetes.terminate_pod",
        "End a pod within its grace period",
        inputs={"pod": NAME, "grace": SECONDS},
        undo="The pod is gone; its workload may start another one.",
        timeout=LONG,
        example={"pod": "shop/cart-7d9f-x2", "changed": True},
    ),
    read(
        "kubernetes.list_pods",
        "List the pods of a workload or node",
        inputs={"of": {**NAME, "description": "namespace/workload, or the name of a node"}},
        outputs={"pods": NAMES, "count": COUNT},
        example={"pods": ["shop/cart-7d9f-x2", "shop/cart-7d9f-k8"], "count": 2},
    ),
    change(
        "kubernetes.cordon_node",
        "Let no new pod onto a node",
        inputs={"node": NAME},
        undo=Undo("kubernetes.uncordon_node", {"node": "${ inputs.node }"}),
        example={"node": "worker-07", "changed": True},
    ),
    change(
        "kubernetes.uncordon_node",
        "Let pods onto a node again",
        inputs={"node": NAME},
        undo="The node takes pods again; kubernetes.cordon_node stops that anew.",
        example={"node": "worker-07", "changed": False},
    ),
    change(
        "kubernetes.drain_node",
        "Evict the pods of a node within their disruption budgets",
        inputs={"node": NAME, "grace": SECONDS},
        outputs={"evicted": COUNT},
        undo="The pods run on other nodes now, and come back only as the scheduler decides.",
        timeout=LONG,
        example={"node": "worker-07", "changed": True, "evicted": 11},
    ),
    change(
        "kubernetes.scale_workload",
        "Set how many pods a workload has",
        inputs={"workload": NAME, "replicas": REPLICAS},
        outputs={"replicas": REPLICAS, "previous_replicas": REPLICAS},
        undo=Undo(
            "kubernetes.restore_scale",
            {
                "workload": "${ inputs.workload }",
                "replicas": "${ outputs.previous_replicas }",
                "expected": "${ inputs.replicas }",
            },
        ),
        timeout=LONG,
        example={"workload": "shop/cart", "changed": True, "replicas": 0, "previous_replicas": 3},
    ),
    change(
        "kubernetes.restore_scale",
        "Give a workload as many pods as it had",
        inputs={"workload": NAME, "replicas": REPLICAS, "expected": REPLICAS},
        outputs={"replicas": REPLICAS},
        undo="The workload has its old number of pods; kubernetes.scale_workload sets another one.",
        timeout=LONG,
        example={"workload": "shop/cart", "changed": False, "replicas": 3},
    ),
)
