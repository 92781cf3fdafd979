"""Steps around systems: tables, pipelines, incidents, deploys and code.

A step is a function of the world and the session that makes one record. Where it asks `World.say` for a
sensitive value it also says what stands there in a cold record.
"""

from __future__ import annotations

import base64

from benchmarks.activity import shapes
from benchmarks.activity.customers import fill
from benchmarks.activity.values import hex_id, pick
from benchmarks.activity.world import Activity, Session, World

FILTERS = (
    "email = '{email}'",
    "phone = '{phone}' OR email = '{email}'",
    "tax_id = '{ssn}' AND deleted_at IS NULL",
    "iban = '{iban}'",
)
COMMANDS = (
    "kubectl -n prod rollout history deployment/{service}",
    "terraform -chdir=infra/{service} plan -no-color -input=false",
    "pytest -q tests/{service} --maxfail=1",
    "docker build -t registry.example.com/{service}:next . && docker image ls | head -3",
    "psql -v ON_ERROR_STOP=1 -f migrations/0042_{service}.sql --dry-run",
    "curl -fsS https://api.example.com/healthz | jq '.checks[] | select(.ok | not)'",
)
EXPORTS = (
    ("github_token", "GITHUB_TOKEN={}"),
    ("aws_secret", "AWS_SECRET_ACCESS_KEY={}"),
    ("password", "PGPASSWORD='{}'"),
    ("slack_token", "SLACK_BOT_TOKEN={}"),
)
ALERTS = (
    "p99 latency above 2 s for 5 min on {pod}",
    "error rate above 3 % for 10 min on {pod}, mostly 502 from upstream",
    "{pod} was OOM-killed for the third time within an hour",
    "queue of {pod} grows by 900 jobs/min and nobody takes them",
)
TASKS = (
    "Bring the branch up to date, then run the tests again.",
    "The build fails on main only. Find out why; do not touch the lock file.",
    "Rebase on main and squash the fixups before the review.",
)
PATHS = ("/v2/cart", "/v2/orders?page=2", "/v2/search?q=lamp+brass", "/healthz", "/v2/login", "/v2/me/addresses")


def run_query(w: World, s: Session) -> Activity:
    """The agent proposes a query; a hot one has a customer's data as literals."""
    where = "updated_at > now() - interval '1 day'"
    if w.hot:
        template = pick(w.rng, FILTERS)
        where = template.format(**fill(w, template))
    columns = "id, status, total_cents, updated_at"
    sql = f"SELECT {columns} FROM {s.table} WHERE {where} ORDER BY id LIMIT 500"  # noqa: S608 (only a text)
    params = {"sql": sql, "timeout_s": 30, "read_only": True, "database": "analytics"}
    reason = f"Check {s.table} before the nightly load"
    return shapes.proposal(w, s, "db.query", f"postgres://analytics/{s.table}", params, reason=reason)


def pipeline_log(w: World, s: Session) -> Activity:
    """The pipeline reports how far it is; when it fails to connect, it says with what."""
    if w.hot:
        url = f"postgres://etl:{w.plant('password')}@db-1.internal.example.com:5432/warehouse"
        return shapes.log(w, s, "error", "pipeline", f"connection to {url} failed: timeout after 30 s", attempt=2)
    rows = w.rng.getrandbits(20)
    message = f"loaded {rows} rows into stage.{s.table}"
    return shapes.log(w, s, "info", "pipeline", message, rows=rows, batch=w.rng.getrandbits(10))


def put_object(w: World, s: Session) -> Activity:
    """The pipeline stores a part in the bucket."""
    key = f"stage/{s.table}/dt={w.ts[:10]}/part-{w.rng.getrandbits(10):05d}.parquet"
    request = {"bucketName": "acme-warehouse", "key": key}
    return shapes.cloudtrail(w, s, "s3", "PutObject", request, read=False)


def bad_row(w: World, s: Session) -> Activity:
    """The pipeline complains about a row; a hot complaint quotes it."""
    row = f"{w.plant('email')},{w.plant('card')},EUR" if w.hot else "columns 4 and 5 are empty"
    message = f"skipped row {w.rng.getrandbits(16)} of {s.table}: {row}"
    return shapes.log(w, s, "warn", "pipeline", message, parser="csv")


def alert(w: World, s: Session) -> Activity:
    """Something is wrong with a service."""
    more = {
        "slowest_client": w.say("ip", "edge-3"),
        "alert": f"AL-{w.rng.getrandbits(12)}",
        "runbook": f"https://runbooks.example.com/{s.service}/latency",
    }
    return shapes.log(w, s, "error", s.service, pick(w.rng, ALERTS).format(pod=s.pod), **more)


def query_logs(w: World, s: Session) -> Activity:
    """The agent asks for logs over MCP."""
    who = f"client_ip={w.plant('ip')}" if w.hot else "level=error"
    query = f"service={s.service} {who} | stats count by status"
    return shapes.mcp(w, s, "logs-mcp", "query_logs", {"query": query, "since": "15m", "limit": 200})


def get_pods(w: World, s: Session) -> Activity:
    """The agent looks at pods."""
    return shapes.kubernetes(w, s, pick(w.rng, ("get", "list", "watch")), "pods", s.pod)


def patch_deployment(w: World, s: Session) -> Activity:
    """The agent rolls a deployment in staging; a hot patch has a secret among the variables."""
    env = [{"name": "LOG_LEVEL", "value": "info"}]
    if w.hot:
        env.append({"name": "STRIPE_API_KEY", "value": w.plant("stripe_key")})
    container = {"name": s.service, "image": f"registry.example.com/{s.service}:{s.version}", "env": env}
    body = {"spec": {"template": {"spec": {"containers": [container]}}}}
    return shapes.kubernetes(w, s, "patch", "deployments", s.service, namespace="staging", group="apps", body=body)


def update_secret(w: World, s: Session) -> Activity:
    """The agent updates a Secret in staging; a hot event shows it, in base64 as the API server keeps it."""
    data = {"retries": "Mw=="}
    if w.hot:
        encoded = base64.b64encode(w.plant("slack_token").encode()).decode()
        data["webhook-token"] = w.note("slack_token", encoded)
    body = {"kind": "Secret", "type": "Opaque", "data": data}
    return shapes.kubernetes(w, s, "update", "secrets", f"{s.service}-hooks", namespace="staging", body=body)


def shell_command(w: World, s: Session) -> Activity:
    """The agent proposes a command; a hot one brings its secrets along."""
    command = pick(w.rng, COMMANDS).format(service=s.service)
    if w.hot:
        kind, export = pick(w.rng, EXPORTS)
        command = f"{export.format(w.plant(kind))} {command}"
    params = {"command": command, "cwd": f"/srv/{s.service}", "timeout_s": 120, "shell": "/bin/bash"}
    reason = f"See what {s.service} {s.version} does before the next step"
    return shapes.proposal(w, s, "shell.run", "host://runner-3", params, reason=reason, environment="staging")


def http_call(w: World, s: Session) -> Activity:
    """The agent proposes a call to somebody else's API."""
    headers = {"accept": "application/json", "idempotency-key": hex_id(w.rng, 20)}
    if w.hot:
        headers["authorization"] = f"Bearer {w.plant(pick(w.rng, ('jwt', 'bearer', 'stripe_key')))}"
    url = f"https://status.example.com/api/v1/{s.service}/incidents"
    body = {"title": f"{s.service}: elevated latency", "severity": 2, "public": False}
    params = {"method": "POST", "url": url, "headers": headers, "body": body}
    return shapes.proposal(w, s, "http.request", url, params, reason="Keep the status page honest")


def api_traffic(w: World, s: Session) -> Activity:
    """The service answers its users."""
    method, status = pick(w.rng, ("GET", "GET", "POST")), pick(w.rng, (200, 200, 200, 304, 502))
    return shapes.access(w, s, method, pick(w.rng, PATHS), status)


def recovered(w: World, s: Session) -> Activity:
    """The service is well again."""
    by = w.mail_of(s.behalf) if w.hot else "auto-resolve"
    return shapes.log(w, s, "info", s.service, f"{s.pod} healthy, error budget 99.2 % left", closed_by=by)


def build_log(w: World, s: Session) -> Activity:
    """A build says what it did; a hot one dumps its environment."""
    commit = hex_id(w.rng, 40)
    if not w.hot:
        message = f"build of {s.service} {s.version} passed: 412 tests in 38 s, 3 skipped"
        return shapes.log(w, s, "info", "ci", message, commit=commit)
    lines = ["environment:", "CI=true", "LANG=C.UTF-8", f"SERVICE={s.service}"]
    if w.rng.random() < 0.2:
        lines.append(f"DEPLOY_KEY={w.plant_private_key()}")
    else:
        lines.append(f"AWS_ACCESS_KEY_ID={w.plant('aws_key')}")
        lines.append(f"AWS_SECRET_ACCESS_KEY={w.plant('aws_secret')}")
    return shapes.log(w, s, "debug", "ci", "\n".join(lines), commit=commit)


def run_tool(w: World, s: Session) -> Activity:
    """The code agent runs something, as an OpenAI tool call."""
    command = "git fetch origin && git rebase origin/main"
    result = "Successfully rebased and updated refs/heads/fix-latency.\n"
    if w.hot:
        remote = f"https://x-access-token:{w.plant('github_token')}@github.com/acme/{s.service}.git"
        command = f'git remote set-url origin "{remote}" && git fetch origin'
        result = f"From {remote}\n * [new branch]      main       -> origin/main\n"
    arguments = {"cmd": ["bash", "-lc", command], "workdir": f"/repo/{s.service}"}
    return shapes.openai(w, s, user=pick(w.rng, TASKS), tool="shell", arguments=arguments, result=result)


def edit_file(w: World, s: Session) -> Activity:
    """The code agent edits a file, as an Anthropic tool use."""
    old = 'timeout = int(os.environ.get("TIMEOUT", "30"))'
    if w.hot:
        old = f'client = Client(token="{w.plant("slack_token")}", timeout=30)'
    return shapes.anthropic(
        w,
        s,
        thought="The setting is read in two places; I move it into settings.",
        tool="str_replace",
        given={"path": f"{s.service}/config.py", "old_str": old, "new_str": "timeout = settings.timeout\n"},
        result="1 replacement made",
    )


def pull_request(w: World, s: Session) -> Activity:
    """The code agent opens a pull request over MCP."""
    arguments = {
        "repo": f"acme/{s.service}",
        "title": f"Read the timeout of {s.service} from settings",
        "body": f"Found while working on {s.service} {s.version}.\n\n- one place for the setting\n- tests\n",
        "reviewer": w.mail_of(s.behalf) if w.hot else "team-platform",
    }
    return shapes.mcp(w, s, "github-mcp", "create_pull_request", arguments)


def list_roles(w: World, s: Session) -> Activity:
    """The agent reads the roles of the account."""
    request = {"roleName": s.agent.role, "maxItems": 50}
    return shapes.cloudtrail(w, s, "iam", pick(w.rng, ("ListRoles", "GetRole", "ListUsers")), request)
