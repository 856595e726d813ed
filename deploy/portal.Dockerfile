# Image of the portal alone: no torch, no Ray. Build from the project's root and serve a folder of
# releases, mounted read-only:
#   docker build -f deploy/portal.Dockerfile -t desi-qad-portal:0.1.0 .
#   docker run -p 8501:8501 --read-only --tmpfs /tmp -v /srv/releases:/releases:ro \
#       desi-qad-portal:0.1.0
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 qad
WORKDIR /opt/desi-qad

COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY deploy/install-dependencies.sh deploy/
RUN PIP_NO_CACHE_DIR=1 deploy/install-dependencies.sh python portal

COPY catalog_schema catalog_schema
COPY pipeline pipeline
COPY release release
COPY portal portal
RUN pip install --no-cache-dir --build-constraint constraints.txt --no-deps .

USER qad
EXPOSE 8501
HEALTHCHECK CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/healthz', timeout=5)"]
ENTRYPOINT ["qad", "portal"]
CMD ["/releases", "--host", "0.0.0.0"]
