-- The results database as the first release made it (SQLite's words). History: never to be edited.
CREATE TABLE daydreaming_alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT daydreaming_alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE claims (
    stage VARCHAR(10) NOT NULL,
    cell_id VARCHAR(250) NOT NULL,
    owner VARCHAR(64) NOT NULL,
    expires_at DATETIME NOT NULL,
    PRIMARY KEY (stage, cell_id)
);
CREATE TABLE combinations (
    combo_id VARCHAR(250) NOT NULL,
    concept_ids JSON NOT NULL,
    description_level VARCHAR(20) NOT NULL,
    k_max INTEGER NOT NULL,
    PRIMARY KEY (combo_id)
);
CREATE TABLE evaluations (
    evaluation_task_id VARCHAR(250) NOT NULL,
    generation_task_id VARCHAR(250) NOT NULL,
    combo_id VARCHAR(250) NOT NULL,
    generation_template VARCHAR(250) NOT NULL,
    generation_model VARCHAR(250) NOT NULL,
    evaluation_template VARCHAR(250) NOT NULL,
    evaluation_model VARCHAR(250) NOT NULL,
    parser VARCHAR(30) NOT NULL,
    score_min FLOAT NOT NULL,
    score_max FLOAT NOT NULL,
    score FLOAT,
    score_error TEXT,
    experiment_id VARCHAR(250) NOT NULL,
    run_id VARCHAR(250) NOT NULL,
    replicate INTEGER NOT NULL,
    response_file TEXT NOT NULL,
    response_size_bytes BIGINT NOT NULL,
    response_sha256 VARCHAR(64) NOT NULL,
    prompt_sha256 VARCHAR(64),
    request_hash VARCHAR(64),
    model_requested TEXT,
    model_returned TEXT,
    upstream_provider TEXT,
    response_id TEXT,
    finish_reason TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    cost_usd FLOAT,
    latency_s FLOAT,
    attempts INTEGER,
    started_at DATETIME,
    ended_at DATETIME,
    PRIMARY KEY (evaluation_task_id)
);
CREATE INDEX ix_evaluations_generation_task_id ON evaluations (generation_task_id);
CREATE TABLE failures (
    id INTEGER NOT NULL,
    experiment_id VARCHAR(250) NOT NULL,
    run_id VARCHAR(250) NOT NULL,
    stage VARCHAR(10) NOT NULL,
    cell_id VARCHAR(250) NOT NULL,
    model VARCHAR(250) NOT NULL,
    attempt INTEGER NOT NULL,
    error_class VARCHAR(100) NOT NULL,
    message TEXT NOT NULL,
    final BOOLEAN NOT NULL,
    occurred_at DATETIME NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX ix_failures_experiment_cell ON failures (experiment_id, cell_id);
CREATE TABLE generations (
    generation_task_id VARCHAR(250) NOT NULL,
    combo_id VARCHAR(250) NOT NULL,
    generation_template VARCHAR(250) NOT NULL,
    generation_model VARCHAR(250) NOT NULL,
    parser VARCHAR(30) NOT NULL,
    essay_error TEXT,
    experiment_id VARCHAR(250) NOT NULL,
    run_id VARCHAR(250) NOT NULL,
    replicate INTEGER NOT NULL,
    response_file TEXT NOT NULL,
    response_size_bytes BIGINT NOT NULL,
    response_sha256 VARCHAR(64) NOT NULL,
    prompt_sha256 VARCHAR(64),
    request_hash VARCHAR(64),
    model_requested TEXT,
    model_returned TEXT,
    upstream_provider TEXT,
    response_id TEXT,
    finish_reason TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    cost_usd FLOAT,
    latency_s FLOAT,
    attempts INTEGER,
    started_at DATETIME,
    ended_at DATETIME,
    PRIMARY KEY (generation_task_id)
);
CREATE INDEX ix_generations_combo_id ON generations (combo_id);
CREATE TABLE planned_calls (
    run_id VARCHAR(250) NOT NULL,
    stage VARCHAR(10) NOT NULL,
    map_index INTEGER NOT NULL,
    cell_id VARCHAR(250) NOT NULL,
    pool VARCHAR(250) NOT NULL,
    model_name TEXT NOT NULL,
    generation_task_id VARCHAR(250) NOT NULL,
    combo_id VARCHAR(250) NOT NULL,
    generation_template VARCHAR(250) NOT NULL,
    generation_model VARCHAR(250) NOT NULL,
    generation_replicate INTEGER NOT NULL,
    evaluation_template VARCHAR(250),
    evaluation_model VARCHAR(250),
    evaluation_replicate INTEGER,
    PRIMARY KEY (run_id, stage, map_index)
);
CREATE INDEX ix_planned_calls_cell_id ON planned_calls (cell_id);
CREATE TABLE runs (
    run_id VARCHAR(250) NOT NULL,
    experiment_id VARCHAR(250) NOT NULL,
    inputs_digest VARCHAR(64) NOT NULL,
    inputs_path TEXT NOT NULL,
    params JSON NOT NULL,
    created_at DATETIME NOT NULL,
    PRIMARY KEY (run_id)
);
CREATE INDEX ix_runs_experiment_id ON runs (experiment_id);
