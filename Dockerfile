# The server of docker-compose.yml: `lin serve`, in the versions of uv.lock.
FROM python:3.12-slim AS build
ENV UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PROJECT_ENVIRONMENT=/opt/lin
RUN pip install --no-cache-dir uv==0.13.9
# The kernel that digests tables is compiled here.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# First what changes rarely: an edit of lin does not install its dependencies again.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-install-project --extra server
COPY README.md LICENSE hatch_build.py ./
COPY lin lin
COPY store store
COPY lineage lineage
COPY api api
COPY cli cli
RUN uv sync --frozen --no-dev --no-editable --extra server

FROM python:3.12-slim
RUN useradd --create-home --uid 1000 lin && install -d -o lin -g lin /data
COPY --from=build /opt/lin /opt/lin
ENV PATH=/opt/lin/bin:$PATH LIN_CONFIG=/data/config LIN_CACHE=/data/cache LIN_REPO=/data/repository
USER lin
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["lin"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
