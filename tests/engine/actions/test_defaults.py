"""The shipped rules: what they hold back, and what they leave alone."""

from __future__ import annotations

from typing import Any

import pytest
from action_records import Style, anthropic, cloudtrail, generic, kubernetes, mcp, openai

from detectors.yamlfile import YamlFile
from engine.actions.decide import Decision
from engine.actions.defaults import compiled_defaults, default_rules, default_text
from engine.actions.extract import extract
from engine.actions.principals import Principals
from engine.actions.profile import shipped_profiles
from engine.actions.tree import parse


def decide(record: object) -> Decision | None:
    actions = extract(parse(Style().write(record).encode()), shipped_profiles(), Principals.of())
    decided = compiled_defaults().strictest(actions)
    return decided and decided[1]


@pytest.mark.parametrize(
    ("rule", "record"),
    [
        ("agent-disables-audit", generic(action="audit_log.disable")),
        ("agent-disables-audit", mcp("aws_stop_logging", {"trail": "main"})),
        ("agent-disables-audit-by-shell", openai("bash", {"command": "aws cloudtrail stop-logging --name t"})),
        ("audit-disabled", cloudtrail("cloudtrail.amazonaws.com", "StopLogging")),
        ("grant-admin", generic(action="role.assign", params={"role": "Administrator"})),
        ("grant", anthropic("create_access_key", {"user": "ci"})),
        ("aws-admin-granted", cloudtrail("iam.amazonaws.com", "AttachUserPolicy",
                                         {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"})),
        ("aws-iam-changed", cloudtrail("iam.amazonaws.com", "CreateAccessKey")),
        ("kubernetes-rbac-changed", kubernetes("create", "clusterrolebindings")),
        ("kubernetes-privileged-pod", kubernetes("create", "pods", requestObject={
            "spec": {"containers": [{"securityContext": {"privileged": True}}]}})),
        ("kubernetes-host-namespace", kubernetes("create", "pods", requestObject={"spec": {"hostPID": True}})),
        ("kubernetes-secret-read", kubernetes("get", "secrets")),
        ("secret-read", mcp("get_secret", {"name": "db"})),
        ("shell-reads-secrets", openai("shell", {"cmd": ["kubectl", "get", "secret", "db", "-o", "yaml"]})),
        ("data-export", generic(action="customers.export", params={"rows": 41000})),
        ("data-export", openai("export_customers", {})),
        ("aws-data-shared", cloudtrail("s3.amazonaws.com", "PutBucketPolicy", {"bucketName": "b"})),
        ("store-deleted", generic(action="database.drop")),
        ("store-deleted", openai("drop_table", {"table": "users"})),
        ("store-was-deleted", cloudtrail("s3.amazonaws.com", "DeleteBucket")),
        ("store-was-deleted", kubernetes("delete", "namespaces")),
        ("production-deleted", generic(action="customer.delete", environment="production")),
        ("shell-deletes", openai("bash", {"command": "cd / && rm -rf *"})),
        ("sql-deletes", openai("run_sql", {"query": "DROP\n  TABLE users"})),
        ("sql-deletes", anthropic("execute_sql", {"sql": "delete from users"})),
        ("sql-grants", openai("query_db", {"sql": "GRANT ALL ON x TO bob"})),
        ("http-delete", mcp("http_request", {"method": "delete", "url": "https://api/x"})),
        ("infrastructure-changed", generic(action="terraform.apply")),
        ("infrastructure-tool", mcp("terraform", {"command": "destroy"})),
        ("shell-changes-infrastructure", openai("bash", {"command": "terraform -chdir=prod apply -auto-approve"})),
        ("aws-network-opened", cloudtrail("ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", {
            "ipPermissions": {"items": [{"ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]}})),
        ("aws-infrastructure-changed", cloudtrail("ec2.amazonaws.com", "TerminateInstances")),
        ("rollback", generic(action="release.rollback")),
        ("shell-rollback", openai("bash", {"command": "kubectl rollout undo deployment/web"})),
        ("production-deployed", generic(action="service.deploy", environment="prod")),
        ("production-deployed-by-parameter", openai("deploy_service", {"environment": "prod-eu"})),
        ("money-moved", openai("issue_refund", {"amount": 900})),
        ("money-moved", openai("issue_refund", {"amount": "all of it"})),
    ],
)  # fmt: skip
def test_privileged_actions_are_held_back(rule: str, record: dict[str, Any]) -> None:
    """Each shipped rule decides what it is there for."""
    decision = decide(record)
    assert decision is not None
    assert decision.rule is not None
    assert decision.rule.id == rule
    assert decision.effect == decision.rule.effect


@pytest.mark.parametrize(
    "record",
    [
        generic(action="orders.read"),
        generic(action="orders.update", environment="prod"),
        generic(action="service.deploy", environment="staging"),
        openai("cancel_reservation", {"reservation_id": "ABC123"}),
        openai("update_reservation_flights", {"cabin": "economy", "payment_id": "gift_card_1"}),
        openai("modify_pending_order_payment", {"order_id": "#W1", "payment_method_id": "card_1"}),
        openai("issue_refund", {"amount": 20}),
        openai("bash", {"command": "ls -F && pytest -q"}),
        openai("edit", {"text": "rm -rf is explained here; DROP TABLE too"}),
        openai("run_sql", {"query": "select * from users where deleted_at is null"}),
        openai("transfer_to_human_agents", {"summary": "wants a refund of 900"}),
        {"role": "user", "content": "please rm -rf / and drop table users"},
        cloudtrail("ec2.amazonaws.com", "DescribeInstances"),
        cloudtrail("s3.amazonaws.com", "GetObject"),
        cloudtrail("secretsmanager.amazonaws.com", "GetSecretValue"),  # by a role: programs do so all day
        kubernetes("update", "deployments"),
        kubernetes("create", "pods", requestObject={"spec": {"containers": [{"name": "web"}]}}),
        kubernetes("get", "secrets", user={"username": "system:serviceaccount:prod:web"}),
        kubernetes("delete", "namespaces", user={"username": "system:kube-controller-manager"}),
    ],
)
def test_ordinary_work_passes(record: dict[str, Any]) -> None:
    """Reads, chat, business tools and what machines do all day are not held back."""
    decision = decide(record)
    assert decision is None or decision.effect == "allow"


def test_the_shipped_rules_are_sound() -> None:
    """No rule is shadowed, each says why, and each review can be decided by one person."""
    assert compiled_defaults().lint() == []
    for rule in default_rules():
        if rule.effect == "review":
            assert rule.reason.endswith(".")
            assert rule.expires_ms
            assert rule.approvers is not None
            assert rule.approvers.quorum == 1


def test_the_section_can_be_copied_into_a_policy() -> None:
    """The file is an ``actions`` section and nothing else."""
    assert list(YamlFile(default_text(), "defaults.yaml").data) == ["actions"]
