# syntax=docker/dockerfile:1
# `make docker-steps` runs the lines below without Docker, each stage in a venv of its own.
ARG PYTHON_VERSION=3.12
# With its digest (docs/runbook.md says how to ask for it) the base is one image, and not a name:
#   docker build --build-arg BASE=python:3.12-slim@sha256:… .
ARG BASE=python:${PYTHON_VERSION}-slim

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/build.txt requirements/
RUN python -m pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY models models
COPY explainers explainers
COPY service service
RUN python -m pip wheel --no-build-isolation --no-deps --wheel-dir dist .

FROM ${BASE}
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app
COPY requirements/run.txt requirements/
RUN python -m pip install --require-hashes -r requirements/run.txt
COPY --from=build /src/dist dist
RUN python -m pip install --no-deps --no-index dist/*.whl
ENV PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=compiled
# Compile the search kernels now; another kind of processor compiles them anew, into the same place.
RUN mkdir compiled var && IFONLY_DATA=$(mktemp -d) ifonly run --once --port 0 && chmod -R a+rwX compiled var
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz/ready', timeout=2)"]
ENTRYPOINT ["ifonly", "serve", "--host", "0.0.0.0", "--port", "8080"]
