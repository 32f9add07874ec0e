# mien on a CPU, weights inside, for one machine or as the image of a Ray cluster (deploy/rayjob.yaml).
#     docker build -t mien .
#     docker run --rm -v "$PWD:/films" mien mien analyze /films/talk.mp4 -o /films/out
# PyTorch for CPUs alone is 2 GB smaller: --build-arg PIP_EXTRA_INDEX_URL=ADDRESS, the one that PyTorch's page names.
FROM python:3.11-slim-bookworm

ARG EXTRAS=scale,engines,serve
ARG STORES="s3fs gcsfs adlfs"
ARG PIP_EXTRA_INDEX_URL=

# KubeRay asks a node's health with wget.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends wget=1.21.* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 mien

COPY pyproject.toml constraints.txt README.md LICENSE /src/
COPY src /src/src
# ray[default] is what jobs are given to, and what tells Prometheus.
RUN pip install --no-cache-dir -c /src/constraints.txt "/src[${EXTRAS}]" "ray[default]" ${STORES} \
    && rm -rf /src

USER 1000
WORKDIR /home/mien
ENV MIEN_CACHE=/home/mien/.cache/mien \
    RAY_USAGE_STATS_ENABLED=0
HEALTHCHECK --interval=5m --timeout=1m CMD ["mien", "doctor"]
CMD ["mien", "--help"]
