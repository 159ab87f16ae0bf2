# Two images from one file: `api` answers HTTP and holds no torch, `worker` trains.
#
#   docker build --target api    --tag traind-api .
#   docker build --target worker --tag traind-worker .
#
# pip reads the build arguments below, so another package index needs no change here. With
# PIP_EXTRA_INDEX_URL set to PyTorch's index of CPU wheels the worker's image loses its CUDA
# libraries: docs/decisions/0001-torch-pins.md has the sizes.

# pip's cache is a mount of the builder's: no layer keeps it.
# hadolint global ignore=DL3042
FROM python:3.11-slim AS build
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_TRUSTED_HOST
ARG PIP_CERT
ARG PIP_DEFAULT_TIMEOUT
# ENV, for the stages built on this one; pip takes an empty value for none. The constraints hold for
# setuptools in pip's build environment too.
ENV PIP_INDEX_URL=$PIP_INDEX_URL \
    PIP_EXTRA_INDEX_URL=$PIP_EXTRA_INDEX_URL \
    PIP_FIND_LINKS=$PIP_FIND_LINKS \
    PIP_TRUSTED_HOST=$PIP_TRUSTED_HOST \
    PIP_CERT=$PIP_CERT \
    PIP_DEFAULT_TIMEOUT=$PIP_DEFAULT_TIMEOUT \
    PIP_CONSTRAINT=/src/constraints.txt \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_CACHE_DIR=/pip-cache \
    PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /src
# What the images need, without the source: a change of code leaves the layers that follow cached.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; \
project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
extras = project['optional-dependencies']; \
whole = lambda extra: sum([sum(map(whole, each[7:-1].split(',')), []) \
    if each.startswith('traind[') else [each] for each in extras[extra]], []); \
[open(extra + '.txt', 'w').write('\n'.join(project['dependencies'] + whole(extra))) \
 for extra in ('api', 'cli', 'worker', 'postgres', 's3')]"

FROM build AS api-packages
RUN --mount=type=cache,target=/pip-cache pip install \
    --requirement api.txt --requirement cli.txt --requirement postgres.txt --requirement s3.txt

FROM build AS worker-packages
RUN --mount=type=cache,target=/pip-cache pip install \
    --requirement worker.txt --requirement postgres.txt --requirement s3.txt

# The source goes to a folder of its own, and in the images to a layer of its own.
FROM build AS api-source
COPY README.md LICENSE ./
COPY app app
COPY traind traind
RUN --mount=type=cache,target=/pip-cache pip install --no-deps --target /opt/traind .

FROM api-source AS worker-source
COPY worker worker
RUN --mount=type=cache,target=/pip-cache \
    pip install --no-deps --upgrade --target /opt/traind .

FROM python:3.11-slim AS runtime
# The uid is fixed: a volume outlives the image that first wrote to it.
RUN groupadd --gid 10001 traind \
    && useradd --uid 10001 --gid traind --home-dir /tmp --no-create-home --no-log-init \
        --shell /usr/sbin/nologin traind \
    && install --directory --owner traind --group traind --mode 0750 /data
# The root file system is read-only when it runs: what libraries cache goes to /tmp, a tmpfs.
# Modules come from /opt only, never from the folder the process stands in.
ENV PATH=/opt/venv/bin:/opt/traind/bin:$PATH \
    PYTHONPATH=/opt/traind \
    PYTHONUNBUFFERED=1 \
    PYTHONSAFEPATH=1 \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/.cache \
    TORCHINDUCTOR_CACHE_DIR=/tmp/torchinductor \
    TRAIND_HOME=/data
VOLUME /data
WORKDIR /data
STOPSIGNAL SIGTERM
USER 10001:10001

FROM runtime AS worker
COPY --from=worker-packages /opt/venv /opt/venv
COPY --from=worker-source /opt/traind /opt/traind
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "worker", "--healthy"]
ENTRYPOINT ["python", "-m", "worker"]

FROM runtime AS api
COPY --from=api-packages /opt/venv /opt/venv
COPY --from=api-source /opt/traind /opt/traind
ENV TRAIND_HOST=0.0.0.0 \
    TRAIND_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f\"http://127.0.0.1:{os.environ['TRAIND_PORT']}/readyz\", timeout=4)"]
ENTRYPOINT ["python", "-m", "app"]
