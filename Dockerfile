# One image for two services: the HTTP door (the command below) and the ticket API (`python -m ticket_api`).
# Probes and limits stand in gcp-deploy/*.yaml; Cloud Run does not read a HEALTHCHECK.

FROM python:3.13.16-slim-trixie@sha256:bf44cdfcb76cd3b41e879bc058fc37ec5872002ccfde7fcb765e218cde0cd79c AS base


FROM base AS build

# Wheels only, each with its known hash, and no pip in what runs. Compiled here, because the user below can write
# nothing: every cold start would compile it all again. Unchecked, because nothing changes inside an image.
COPY requirements-cloud.txt /tmp/
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --no-compile --only-binary :all: \
        --no-deps --require-hashes -r /tmp/requirements-cloud.txt \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

WORKDIR /app
COPY cloud_mcp_server.py ticket_service.py operations.py ./
COPY auth ./auth
COPY shared ./shared
COPY ticket_api ./ticket_api
COPY transport ./transport
RUN python -m compileall -q --invalidation-mode unchecked-hash .


FROM base

COPY --from=build /venv /venv
COPY --from=build /app /app
# A container's loopback reaches nobody. The settings still ask for a key and for the names that clients use.
ENV PATH=/venv/bin:$PATH \
    MCP_HOST=0.0.0.0
WORKDIR /app
USER 65532:65532
CMD ["python", "cloud_mcp_server.py"]
