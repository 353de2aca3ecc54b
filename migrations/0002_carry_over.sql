-- Carries over the database of the earlier design.
--
-- Its tables have names that 0001 uses for others, and columns that are only known by looking. So before 0001 runs,
-- the program moves them aside as legacy_*, with every column in one known shape: ids present, unique and text, times
-- and words in ours, row keys settled. Where there never was such a database, there is no legacy_* table, and each
-- statement here finds its work done.

INSERT OR IGNORE INTO workloads (id, kind, name, created_at, updated_at)
    SELECT id, 'project', name, created_at, created_at FROM legacy_projects;

INSERT OR IGNORE INTO projects (workload_id, image, port, healthcheck, env, webhook_secret)
    SELECT id, image, port, healthcheck, env, webhook_secret FROM legacy_projects;

INSERT OR IGNORE INTO stages (id, workload_id, name, tag_pattern, auto_deploy, max_instances, promote_from, subdomain)
    SELECT id, workload_id, name, tag_pattern, auto_deploy, max_instances, promote_from, subdomain FROM legacy_stages;

INSERT OR IGNORE INTO workloads (id, kind, name, created_at, updated_at)
    SELECT id, 'stack', name, created_at, created_at FROM legacy_stacks;

INSERT OR IGNORE INTO stacks (workload_id, compose_project, compose_yaml)
    SELECT id, compose_project, compose_yaml FROM legacy_stacks;

INSERT OR IGNORE INTO workloads (id, kind, name, created_at, updated_at)
    SELECT id, 'site', name, created_at, created_at FROM legacy_static_sites;

INSERT OR IGNORE INTO sites (workload_id, git_url, git_branch, folder, webhook_secret)
    SELECT id, git_url, git_branch, folder, webhook_secret FROM legacy_static_sites;

INSERT OR IGNORE INTO settings (key, value, updated_at)
    SELECT key, value, updated_at FROM legacy_settings;

INSERT OR IGNORE INTO containers (id, workload_id, workload_kind, role, foreign_reason, container_id, name, image,
        state, ports, stage_id, image_tag, subdomain, last_seen_at, missing_since, created_at, updated_at,
        legacy_instance_id, legacy_proxy_id)
    SELECT row_id, workload_id, workload_kind, role, foreign_reason, container_id, name, image,
        state, ports, stage_id, image_tag, subdomain, last_seen_at, missing_since, created_at, updated_at,
        legacy_instance_id, legacy_proxy_id
    FROM legacy_instances;

DROP TABLE legacy_instances;
DROP TABLE legacy_static_sites;
DROP TABLE legacy_settings;
DROP TABLE legacy_stacks;
DROP TABLE legacy_stages;
DROP TABLE legacy_projects;
