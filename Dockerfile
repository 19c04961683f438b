# One image for the worker and the command line. It holds no Temporal server: a container talks to a cluster.

FROM python:3.13-slim AS packages
COPY requirements-image.lock /tmp/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: -r /tmp/requirements-image.lock

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /app thereafter \
    && install --directory --owner thereafter /app/.thereafter
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY journey/ journey/
COPY ledger/ ledger/
COPY activities/ activities/
COPY workflows/ workflows/
COPY runtime/ runtime/
COPY service/ service/
COPY commands/ commands/
COPY templates/ templates/
COPY playbooks/ playbooks/
COPY worker.py starter.py ./
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
# A worker does not listen: healthy means that it can reach Temporal and its ledger.
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s --retries=3 CMD ["python", "starter.py", "health"]
STOPSIGNAL SIGTERM
# The exec form, so that the signal to stop reaches Python and work under way is finished.
CMD ["python", "worker.py"]
