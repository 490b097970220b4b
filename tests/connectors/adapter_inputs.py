"""Inputs with which each action of an adapter can be called."""

from __future__ import annotations

from collections.abc import Mapping

HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
HOST = {"host": "FIN-LT-114"}
USER = {"user": "m.okafor"}
KEY = {"key": "AKIAEXAMPLE7Q2"}
WORKLOAD = {"workload": "shop/cart"}
NODE = {"node": "worker-07"}
DEVICE = {"device": "SAL-LT-031"}
VENDOR = {"vendor": "Contoso Payroll"}
DOMAIN = {"domain": "k3.update-check.example"}
SERVICE = {"service": "shop.example"}
MESSAGES = {"messages": ["AAMk-1041", "AAMk-1042"]}
MITIGATION = {**SERVICE, "mitigation": "challenge"}
CERTIFICATE = {"name": "shop.example"}
PATCH = {"host": "web-01", "patch": "KB5050417"}
TICKET = {"ticket": "SD-4711", "text": "The host is clean."}

ADAPTER_INPUTS: Mapping[str, Mapping[str, object]] = {
    "certificates.find": CERTIFICATE,
    "certificates.probe": CERTIFICATE,
    "certificates.put_back": {**CERTIFICATE, "serial": "04:7a:11", "expected": "04:7b:02"},
    "certificates.renew": CERTIFICATE,
    "cloud.delete_key": KEY,
    "cloud.disable_key": KEY,
    "cloud.enable_key": KEY,
    "cloud.find_key": KEY,
    "cloud.list_key_use": {**KEY, "hours": 72},
    "cloud.quarantine_instance": {"instance": "i-0a71"},
    "cloud.release_instance": {"instance": "i-0a71", "groups": ["sg-web"]},
    "cloud.restore_group_size": {"group": "shop-web", "size": 4, "expected": 8},
    "cloud.scale_group": {"group": "shop-web", "size": 8},
    "cloud.snapshot_instance": {"instance": "i-0a71"},
    "devices.find_device": DEVICE,
    "devices.lock_device": DEVICE,
    "devices.unlock_device": DEVICE,
    "devices.wipe_device": DEVICE,
    "dns.find_queries": {**DOMAIN, "hours": 24},
    "dns.release_domain": DOMAIN,
    "dns.sinkhole_domain": DOMAIN,
    "edge.disable_mitigation": MITIGATION,
    "edge.enable_mitigation": MITIGATION,
    "edge.get_traffic": SERVICE,
    "edge.restore_rate_limit": {**SERVICE, "per_minute": 600, "expected": 60},
    "edge.set_rate_limit": {**SERVICE, "per_minute": 60},
    "edr.allow_hash": {"hash": HASH},
    "edr.block_hash": {"hash": HASH},
    "edr.collect_evidence": {**HOST, "kinds": ["memory", "processes"]},
    "edr.find_host": HOST,
    "edr.hunt_hash": {"hash": HASH},
    "edr.isolate_host": HOST,
    "edr.kill_process": {**HOST, "hash": HASH},
    "edr.quarantine_file": {**HOST, "hash": HASH},
    "edr.release_host": HOST,
    "edr.restore_file": {**HOST, "hash": HASH},
    "identity.end_sessions": {**USER, "application": "web-shop"},
    "identity.find_user": USER,
    "identity.hand_over_password": {**USER, "through": "j.brandt", "password": "one-time"},
    "identity.list_active_users": {"application": "web-shop"},
    "identity.list_sign_ins": {**USER, "hours": 24},
    "identity.lock_user": USER,
    "identity.reset_password": USER,
    "identity.restrict_user": USER,
    "identity.revoke_sessions": USER,
    "identity.unlock_user": USER,
    "identity.unrestrict_user": USER,
    "kubernetes.collect_pod_evidence": {"pod": "shop/cart-7d9f-x2"},
    "kubernetes.cordon_node": NODE,
    "kubernetes.drain_node": {**NODE, "grace": 60},
    "kubernetes.find_workload": WORKLOAD,
    "kubernetes.get_pod_metrics": WORKLOAD,
    "kubernetes.list_pods": {"of": "worker-07"},
    "kubernetes.restart_workload": WORKLOAD,
    "kubernetes.restore_limits": {**WORKLOAD, "memory": 512, "expected": 768},
    "kubernetes.restore_scale": {**WORKLOAD, "replicas": 3, "expected": 0},
    "kubernetes.scale_workload": {**WORKLOAD, "replicas": 0},
    "kubernetes.set_limits": {**WORKLOAD, "memory": 768},
    "kubernetes.terminate_pod": {"pod": "shop/cart-7d9f-x2", "grace": 30},
    "kubernetes.uncordon_node": NODE,
    "mail.block_sender": {"sender": "billing@pay-portal.example"},
    "mail.disable_forwarding": USER,
    "mail.enable_forwarding": {**USER, "rules": ["forward to drop.example"]},
    "mail.find_messages": {"sender": "billing@pay-portal.example", "url": "", "hours": 72},
    "mail.purge_messages": MESSAGES,
    "mail.quarantine_messages": MESSAGES,
    "mail.restore_messages": MESSAGES,
    "mail.unblock_sender": {"sender": "billing@pay-portal.example"},
    "metrics.query": {"query": "sum(rate(http_requests_total[5m]))"},
    "patching.check_host": PATCH,
    "patching.list_missing": {"vulnerability": "CVE-2026-10417", "group": "web"},
    "patching.patch_host": PATCH,
    "patching.remove_patch": PATCH,
    "siem.last_event": {"log_source": "edge-firewall"},
    "siem.restart_collector": {"collector": "collector-3"},
    "siem.search": {"query": "user=m.okafor", "hours": 24},
    "tickets.add_note": TICKET,
    "tickets.close_ticket": TICKET,
    "tickets.open_ticket": {"title": "Reimage FIN-LT-114", "text": "See the case.", "priority": "high"},
    "vendors.find_access": VENDOR,
    "vendors.restore_access": VENDOR,
    "vendors.suspend_access": VENDOR,
}
