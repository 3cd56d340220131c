# The image runs `algosync` with any of its commands as arguments. State lives in the volume /data.
FROM python:3.11-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile pyproject.toml constraints.txt README.md LICENSE ./
COPY algosync algosync
RUN make install VENV=/opt/algosync EXTRAS=postgresql EDITABLE=

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /data --create-home algosync
COPY --from=build /opt/algosync /opt/algosync
COPY config /etc/algosync
ENV PATH=/opt/algosync/bin:$PATH PYTHONUNBUFFERED=1 ALGOSYNC_CONFIG=/etc/algosync/algosync.toml \
    ALGOSYNC_STATE__DIRECTORY=/data/state
USER algosync
WORKDIR /data
VOLUME /data
HEALTHCHECK --interval=60s --timeout=10s --start-period=20s CMD ["algosync", "status", "--json"]
ENTRYPOINT ["algosync"]
CMD ["--help"]
