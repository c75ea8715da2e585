-- Times are nanoseconds since 1970, UTC. Deleted numbers are not given again: programs outside remember them.
CREATE TABLE events (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  time           INTEGER NOT NULL,
  ended          INTEGER,
  camera         TEXT NOT NULL,
  kind           TEXT NOT NULL,
  task           TEXT NOT NULL DEFAULT '',
  zone           TEXT NOT NULL DEFAULT '',
  label          TEXT NOT NULL DEFAULT '',
  name           TEXT NOT NULL DEFAULT '',
  track          INTEGER NOT NULL DEFAULT 0,
  score          REAL NOT NULL DEFAULT 0,
  box            TEXT,                       -- [x, y, width, height] in pixels
  similarity     REAL NOT NULL DEFAULT 0,
  data           TEXT,                       -- a JSON object
  snapshot       TEXT NOT NULL DEFAULT '',   -- file below snapshots/
  snapshot_bytes INTEGER NOT NULL DEFAULT 0,
  feedback       TEXT NOT NULL DEFAULT ''
);
CREATE INDEX events_by_time ON events (time);
CREATE INDEX events_by_camera ON events (camera, id);
CREATE INDEX events_by_kind ON events (kind, id);
CREATE INDEX events_by_name ON events (name, id) WHERE name != '';
CREATE INDEX events_by_feedback ON events (feedback, id) WHERE feedback != '';

-- Small things to remember from run to run.
CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
