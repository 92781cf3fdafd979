"""What the agents are busy with. Each story is a list of steps, and the privileged actions it may come to."""

from __future__ import annotations

from benchmarks.activity import climaxes, customers, systems
from benchmarks.activity.world import Story

STORIES = (
    Story(
        name="ticket",
        agents=("support",),
        steps=(
            customers.ticket_assigned,
            customers.customer_writes,
            customers.look_up_customer,
            customers.search_orders,
            customers.customer_api,
            customers.read_crm,
            customers.draft_reply,
            customers.customer_writes,
        ),
        climaxes=(climaxes.refund, climaxes.delete_customer),
    ),
    Story(
        name="export",
        agents=("etl",),
        steps=(
            systems.pipeline_log,
            systems.run_query,
            systems.put_object,
            systems.bad_row,
            systems.run_query,
            systems.pipeline_log,
            systems.put_object,
        ),
        climaxes=(climaxes.export_table, climaxes.run_migration),
    ),
    Story(
        name="incident",
        agents=("sre",),
        steps=(
            systems.alert,
            systems.query_logs,
            systems.get_pods,
            systems.api_traffic,
            systems.shell_command,
            systems.http_call,
            systems.api_traffic,
            systems.recovered,
        ),
        climaxes=(climaxes.scale_down, climaxes.exec_in_pod, climaxes.read_vault_secret),
    ),
    Story(
        name="access-change",
        agents=("sre", "deploy"),
        steps=(
            systems.list_roles,
            systems.query_logs,
            systems.list_roles,
            systems.shell_command,
            systems.recovered,
        ),
        climaxes=(climaxes.grant_role, climaxes.attach_role_policy, climaxes.grant_cluster_admin),
    ),
    Story(
        name="deploy",
        agents=("deploy",),
        steps=(
            systems.build_log,
            systems.shell_command,
            systems.patch_deployment,
            systems.update_secret,
            systems.api_traffic,
            systems.get_pods,
            systems.http_call,
            systems.recovered,
        ),
        climaxes=(climaxes.deploy_production, climaxes.run_migration, climaxes.read_vault_secret),
    ),
    Story(
        name="code-change",
        agents=("code",),
        steps=(
            systems.run_tool,
            systems.edit_file,
            systems.build_log,
            systems.run_tool,
            systems.pull_request,
            systems.shell_command,
            systems.build_log,
        ),
        climaxes=(climaxes.force_push, climaxes.read_cloud_secret, climaxes.read_vault_secret),
    ),
    Story(
        name="invoice",
        agents=("billing",),
        steps=(
            customers.customer_writes,
            customers.list_payments,
            customers.invoice_question,
            customers.charge_failed,
            customers.customer_api,
            customers.draft_reply,
        ),
        climaxes=(climaxes.refund, climaxes.change_payout),
    ),
)
