# Two images from one file:
#
#   docker build --target operator -t grove-operator .   the operator, its webhooks, the command line
#   docker build --target initc    -t grove-initc .      what waits in pods that start in order
#
# The initc image holds the waiter, Python's interpreter and the few modules that it imports: it is
# pulled on every GPU node.

ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS environment
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/grove
COPY requirements-image.lock /build/
RUN /opt/grove/bin/python -m pip install --quiet --require-hashes --only-binary :all: \
        -r /build/requirements-image.lock \
    && /opt/grove/bin/python -m pip uninstall --quiet --yes setuptools pip
# Last, as it changes most often. No build backend is needed for a pure Python package.
COPY grove_operator /build/grove_operator
RUN packages="$(/opt/grove/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && cp -r /build/grove_operator "$packages/" \
    && for script in grove-operator:grove_operator.__main__ kubectl-grove:grove_operator.cli.plugin; do \
        printf '%s\n' '#!/opt/grove/bin/python' "from ${script#*:} import main" 'main()' \
            > "/opt/grove/bin/${script%%:*}"; \
    done \
    && chmod 0755 /opt/grove/bin/grove-operator /opt/grove/bin/kubectl-grove \
    && /opt/grove/bin/python -m compileall -q --invalidation-mode unchecked-hash \
        "$packages/grove_operator" \
    && chmod -R a+rX /opt/grove


FROM ${PYTHON_IMAGE} AS waiter
COPY grove_operator/waiter.py tools/image/slim_root.py /build/
RUN mkdir /build/root && python /build/slim_root.py /build/waiter.py /build/root


FROM scratch AS initc
ARG VERSION=dev
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="grove-initc" \
      org.opencontainers.image.description="Waits until the PodCliques that a pod starts after are ready" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=waiter /build/root/ /
USER 65532:65532
ENTRYPOINT ["/grove-initc"]


# Last, so that it is what a build without --target makes.
FROM ${PYTHON_IMAGE} AS operator
ARG VERSION=dev
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="grove-operator" \
      org.opencontainers.image.description="Runs PodCliqueSets: multi-node AI inference as gangs of pods" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=environment /opt/grove /opt/grove
# USER: Kopf asks for the name of who runs it, and numbers that a cluster chooses have none.
ENV PATH=/opt/grove/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 USER=grove-operator
USER 65532:65532
ENTRYPOINT ["grove-operator"]
