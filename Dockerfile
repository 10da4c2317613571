# One image for two services: the HTTP server (the command below) and the ticket API (`python -m ticket_api`).
# Probes and limits are in gcp-deploy/*/*.yaml; Cloud Run ignores HEALTHCHECK.

FROM python:3.13.16-slim-trixie@sha256:bf44cdfcb76cd3b41e879bc058fc37ec5872002ccfde7fcb765e218cde0cd79c AS base


FROM base AS build

# Only wheels, each with a known hash, and no pip in the final image. Compiled here, because the user below cannot
# write: every cold start would compile everything again. Unchecked, because nothing changes inside an image.
COPY requirements-cloud.txt /tmp/
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --no-compile --only-binary :all: \
        --no-deps --require-hashes -r /tmp/requirements-cloud.txt \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

WORKDIR /app
COPY cloud_mcp_server.py ticket_service.py operations.py ./
COPY auth ./auth
COPY recovery ./recovery
COPY shared ./shared
COPY ticket_api ./ticket_api
COPY transport ./transport
COPY web ./web
RUN python -m compileall -q --invalidation-mode unchecked-hash .


FROM base

# The base image has pip, which nothing needs here, and no bytecode of the standard library (docs/image.md).
RUN pip uninstall --quiet --yes --root-user-action ignore pip \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"

COPY --from=build /venv /venv
COPY --from=build /app /app
# Loopback inside a container is not reachable. The settings still require a key and the host names that clients use.
ENV PATH=/venv/bin:$PATH \
    MCP_HOST=0.0.0.0
WORKDIR /app
USER 65532:65532
CMD ["python", "cloud_mcp_server.py"]
