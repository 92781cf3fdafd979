# Sluicegate as an image: `docker build -t sluicegate .`
# What it holds is the wheel of this tree, with the versions that requirements.lock names, and no build tools.

# The full image to build in: it has a C compiler, for engine/c.
FROM python:3.11 AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 SLUICEGATE_NATIVE=require
WORKDIR /src
# The dependencies first: they change less often than the code.
COPY requirements.lock pyproject.toml README.md ./
RUN pip wheel --wheel-dir /wheels --constraint requirements.lock \
    $(python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"])')
COPY hatch_build.py ./
COPY detectors/ detectors/
COPY engine/ engine/
COPY approvals/ approvals/
COPY benchmarks/ benchmarks/
COPY sluicegate/ sluicegate/
COPY clients/ clients/
RUN pip wheel --no-deps --wheel-dir /wheels . ./clients/python
RUN python -m venv --without-pip /opt/sluicegate \
    && pip --python /opt/sluicegate/bin/python install --no-index --find-links /wheels sluicegate sluicegate-client

FROM python:3.11-slim
COPY --from=build /opt/sluicegate /opt/sluicegate
# The folders are there, and his, so that a new volume in their place is his as well.
RUN groupadd --gid 10001 sluicegate \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/sluicegate --shell /usr/sbin/nologin sluicegate \
    && install -d -m 0700 -o 10001 -g 10001 /var/lib/sluicegate /keys
ENV PATH=/opt/sluicegate/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_CACHE_HOME=/var/lib/sluicegate/cache
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/sluicegate
EXPOSE 8787
# For the engine as it is started below: a file that it touches while it reads and commits.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["sh", "-c", "test -n \"$(find /tmp/sluicegate.alive -mmin -1)\""]
ENTRYPOINT ["sluicegate"]
CMD ["run", "-c", "/etc/sluicegate/sluicegate.yaml", "--heartbeat", "/tmp/sluicegate.alive"]
