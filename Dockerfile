# Runs any command of algosync as an unprivileged user: `worker`, `serve --host 0.0.0.0`, `mock --host 0.0.0.0`, `sync` …
# The file system may be read-only; state, and what does not fit into memory, is in the volume /data.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY algosync algosync
RUN python3 -m venv /opt/algosync \
    && /opt/algosync/bin/pip install --no-cache-dir --constraint constraints.txt '.[postgresql]'

FROM python:3.11-slim-bookworm
RUN useradd --no-log-init --uid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin algosync \
    && install --directory --owner algosync --group algosync --mode 0700 /data
COPY --from=build /opt/algosync /opt/algosync
COPY config /etc/algosync
ENV PATH=/opt/algosync/bin:$PATH PYTHONUNBUFFERED=1 ALGOSYNC_CONFIG=/etc/algosync/algosync.toml \
    ALGOSYNC_STATE__DIRECTORY=/data/state TMPDIR=/data
USER 10001
WORKDIR /data
VOLUME /data
ENTRYPOINT ["algosync"]
CMD ["--help"]
