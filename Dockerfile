# syntax=docker/dockerfile:1
# `make docker-steps` runs the lines below without Docker, each stage in a venv of its own.
# The index of CPython 3.12.14 on Debian trixie, amd64 and arm64 (September 2026). A digest is one
# image and gets no fixes: docs/runbook.md says how to ask for a newer one.
ARG BASE=python:3.12-slim@sha256:f77ac9e44ae96ef2c90b8053ea08c31f8be030f824196b0ae4db6d462c84e51f

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/build.txt requirements/compiler.txt requirements/
RUN python -m pip install --require-hashes -r requirements/build.txt -r requirements/compiler.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY models models
COPY explainers explainers
COPY service service
COPY ifonly ifonly
# The search is compiled here, for any processor; the image below carries no compiler.
RUN CXX="python -m ziglang c++" python -m pip wheel --no-build-isolation --no-deps --wheel-dir dist .

FROM ${BASE}
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app
COPY requirements/run.txt requirements/
RUN python -m pip install --require-hashes -r requirements/run.txt
COPY --from=build /src/dist dist
RUN python -m pip install --no-deps --no-index dist/*.whl
ENV PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# One answer, so that an image which cannot give it is never made.
RUN mkdir var && IFONLY_DATA=$(mktemp -d) ifonly run --once --port 0 && chmod -R a+rwX var
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz/ready', timeout=2)"]
ENTRYPOINT ["ifonly", "serve", "--host", "0.0.0.0", "--port", "8080"]
